import type { FhirResponse } from '@fhir-outbox/fhir-client'
import type { Outcome, ReceiptBody } from '@fhir-outbox/queue-core'
import type { SendingContext } from './ahead.js'
import { contains } from './compare.js'
import type { Destination, DeliveryWorld } from './destination.js'
import { errorUnderSuccess } from './envelopes.js'
import { askable } from './evidence.js'
import { isObject } from './json.js'
import { askForId, askForKeys, type Asked, type Hit } from './probe.js'
import { resourceOf, type Shipment } from './shipment.js'
import { transactionOutcome } from './transaction-outcome.js'

/** What a success shows; whatever it leaves open is asked for. */
export async function accepted(
  world: DeliveryWorld,
  destination: Destination,
  shipment: Shipment,
  response: FhirResponse,
  context: SendingContext,
): Promise<Outcome> {
  const { entry, header, plan } = shipment
  const { sequence } = entry
  if (header.entries !== undefined) {
    const outcome = transactionOutcome(entry, header.entries, response, plan.name)
    if (outcome.kind === 'rejected') await destination.dossier.learn({ notAtomic: true })
    return outcome
  }
  const disguised = destination.endpoint.takes === 'envelopes' ? errorUnderSuccess(response) : undefined
  if (disguised !== undefined) {
    const closesGate = { failure: disguised, needsPerson: true }
    return { sequence, kind: 'unknown', failure: disguised, closesGate }
  }
  if (destination.endpoint.takes === 'fhir' && response.status === 202) {
    const message = 'The server has put the write off and does not say what becomes of it.'
    return { sequence, kind: 'unknown', failure: { code: 'ERR_PENDING', message, status: 202 }, spent: true }
  }
  const wasUnknown = entry.state === 'unknown'
  const found = header.place !== undefined && shipment.method === 'POST' && response.status === 200
  const version = response.version ?? response.location?.version
  let id = shipment.address ?? addressIn(response)
  if (id === undefined && header.place !== undefined && header.resourceType !== undefined) {
    const asked = await lookUp(destination, shipment, context)
    if (asked !== undefined) {
      const { id: at, version: has } = asked
      id = at
      return delivered(sequence, {
        status: response.status,
        id,
        plan: plan.name,
        ...(has === undefined ? {} : { version: has }),
      })
    }
    // Only 201 says by itself that something was created; anything else may be somebody in between.
    if (response.status !== 201) {
      const message = 'The server accepted the write and does not say where it is.'
      return {
        sequence,
        kind: 'unknown',
        failure: { code: 'ERR_NOT_FHIR', message, status: response.status },
        spent: true,
      }
    }
  }
  let differs = false
  try {
    await trySearch(world, destination, shipment, context)
    if (found && id !== undefined)
      differs = await hasOther(world, destination, shipment, { id, resource: response.resource }, context)
  } catch {
    // Stopped meanwhile. What was delivered stays delivered, whatever else could not be found out.
  }
  return delivered(sequence, {
    status: response.status,
    ...(id === undefined ? {} : { id }),
    ...(version === undefined ? {} : { version }),
    plan: plan.name,
    ...(found || wasUnknown ? { askedAgain: true } : {}),
    ...(found ? { alreadyThere: true } : {}),
    ...(differs ? { differs: true } : {}),
  })
}

/**
 * The first resource of a type that is surely there shows whether searching finds such, and at once: that decides what
 * not finding one will mean when an answer gets lost.
 */
async function trySearch(
  world: DeliveryWorld,
  destination: Destination,
  { header, entry }: Shipment,
  { signal }: SendingContext,
): Promise<void> {
  const { dossier, endpoint } = destination
  const { resourceType: type, place } = header
  if (type === undefined || place === undefined) return
  const evidence = dossier.current()
  const { witness, search, atOnce } = evidence.learned.types?.[type] ?? {}
  const tried = witness !== undefined || atOnce === true || search === false
  if (tried || evidence.canaries?.searchAtOnce === true || askable(evidence, type, place) === 'no') return
  // A key that nobody has: a server that finds something all the same does not look at what it is asked.
  const control = await askForKeys(endpoint.client, { type, place, keys: [world.uuid()] }, signal)
  const asked =
    control.kind === 'answered'
      ? await askForKeys(endpoint.client, { type, place, keys: [entry.key] }, signal)
      : control
  if (asked.kind === 'refused') await dossier.learnType(type, { search: false })
  else if (asked.kind === 'answered') {
    await dossier.learnType(
      type,
      asked.hits.size > 0 ? { search: true, atOnce: true } : { witness: entry.key },
    )
  }
}

export function delivered(sequence: number, receipt: ReceiptBody): Outcome {
  return { sequence, kind: 'delivered', receipt }
}

function addressIn({ location, resource }: FhirResponse): string | undefined {
  if (location !== undefined) return `${location.type}/${location.id}`
  const value: unknown = resource
  if (!isObject(value) || typeof value['id'] !== 'string') return undefined
  return `${String(value['resourceType'])}/${value['id']}`
}

/** 200 says that our key is there, not that the content is: a careless server may have matched something else. */
export async function hasOther(
  world: DeliveryWorld,
  destination: Destination,
  shipment: Shipment,
  known: { readonly id: string; readonly resource: unknown },
  { signal }: SendingContext,
): Promise<boolean> {
  let theirs = known.resource
  if (theirs === undefined) {
    const read = await askForId(destination.endpoint.client, known.id, signal)
    if (read.kind !== 'found') return false
    theirs = read.hit.resource
  }
  if (contains(theirs, resourceOf(shipment))) return false
  world.tell({ type: 'content-differs', sequence: shipment.entry.sequence, gate: destination.gate })
  return true
}

/** Asks the server for our key; `refused` when it is known not to answer that. */
export async function askFor(
  { dossier, endpoint }: Destination,
  { header, entry }: Shipment,
  { signal }: SendingContext,
): Promise<Asked> {
  const { resourceType: type = '', place } = header
  if (place === undefined || askable(dossier.current(), type, place) === 'no') return { kind: 'refused' }
  return askForKeys(endpoint.client, { type, place, keys: [entry.key] }, signal)
}

/** Where the server has our key, when it can be asked and answers. */
export async function lookUp(
  destination: Destination,
  shipment: Shipment,
  context: SendingContext,
): Promise<Hit | undefined> {
  const asked = await askFor(destination, shipment, context)
  return asked.kind === 'answered' ? asked.hits.get(shipment.entry.key) : undefined
}
