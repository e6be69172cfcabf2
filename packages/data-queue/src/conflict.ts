import type { Failure, Outcome } from '@fhir-outbox/queue-core'
import type { SendingContext } from './ahead.js'
import { classify, failureOf, isMaybe, outcomeOf } from './classify.js'
import { contains } from './compare.js'
import type { Destination, DeliveryWorld } from './destination.js'
import { isObject, toJson } from './json.js'
import { askForId, type Hit } from './probe.js'
import { headersOf, resourceOf, type Shipment } from './shipment.js'

/** How often a write is brought together with what others keep writing, in one go. */
const rounds = 3

/**
 * An update or delete was refused because the resource has another version than ours was made from. Either that
 * version is ours (an answer got lost), or somebody else wrote: then the policy decides, and the default is a person.
 */
export async function settleConflict(
  world: DeliveryWorld,
  destination: Destination,
  shipment: Shipment,
  failure: Failure,
  context: SendingContext,
): Promise<Outcome> {
  const { entry, header, plan } = shipment
  const { sequence } = entry
  const parked: Outcome = { sequence, kind: 'parked', failure: { ...failure, code: 'ERR_CONFLICT' } }
  // 428: the server only wants to hear a version, nobody has written in between.
  const policy = failure.status === 428 ? 'overwrite' : (header.conflict ?? world.conflict)
  let wanted = header.method === 'DELETE' ? undefined : resourceOf(shipment)
  let bytes = shipment.body
  for (let round = 0; round < rounds; round++) {
    const read = await askForId(destination.endpoint.client, shipment.path, context.signal)
    if (read.kind === 'absent') {
      return header.method === 'DELETE'
        ? { sequence, kind: 'delivered', receipt: { status: 404, id: shipment.path, alreadyThere: true } }
        : parked
    }
    if (read.kind !== 'found')
      return comeBack(read.kind === 'failed' ? read.error : undefined, shipment, failure)
    const { hit } = read
    if (wanted !== undefined && contains(hit.resource, wanted)) return isThere(hit, shipment)
    if (policy === 'park' || hit.version === undefined) return parked
    if (policy === 'refetch') {
      const current = isObject(hit.resource) ? hit.resource : {}
      const merged = await world.onConflict({ sequence, mine: resourceOf(shipment), current })
      if (merged === undefined) return parked
      wanted = JSON.parse(JSON.stringify(merged)) as Record<string, unknown>
      bytes = new TextEncoder().encode(toJson(wanted))
      if (contains(hit.resource, wanted)) return isThere(hit, shipment)
    }
    await context.mark([sequence], { plan: plan.name, kind: 'single', at: world.now() })
    try {
      const response = await destination.endpoint.client.request({
        method: header.method,
        path: shipment.path,
        headers: { ...headersOf(shipment, destination), 'If-Match': `W/"${hit.version}"` },
        ...(header.method === 'DELETE' ? {} : { body: bytes }),
        signal: context.signal,
      })
      const { version, status } = response
      const receipt = { status, id: shipment.path, plan: plan.name, conflict: policy }
      return {
        sequence,
        kind: 'delivered',
        receipt: { ...receipt, ...(version === undefined ? {} : { version }) },
      }
    } catch (error) {
      if (context.signal.aborted) throw error
      const { status } = failureOf(error)
      if (status === undefined && isMaybe(error)) destination.seen.doubtful = true
      if (status === 409 || status === 412) continue
      const verdict = classify(error)
      if (verdict.kind === 'applied') return { sequence, kind: 'delivered', receipt: verdict.receipt }
      return outcomeOf(verdict, entry, entry.state === 'unknown')
    }
  }
  return { sequence, kind: 'not-sent', failure: { ...failure, code: 'ERR_CONFLICT' }, spent: true }
}

function isThere({ id, version }: Hit, { entry, plan }: Shipment): Outcome {
  const receipt = { id, plan: plan.name, askedAgain: true, alreadyThere: true }
  return {
    sequence: entry.sequence,
    kind: 'delivered',
    receipt: { ...receipt, ...(version === undefined ? {} : { version }) },
  }
}

/** The refusal was clear, but what to do about it could not be found out. */
function comeBack(error: unknown, { entry }: Shipment, failure: Failure): Outcome {
  const { sequence, state } = entry
  const kind = state === 'unknown' ? 'unknown' : 'not-sent'
  const verdict = error === undefined ? undefined : classify(error)
  if (verdict?.kind === 'closed')
    return { sequence, kind, failure: verdict.closure.failure, closesGate: verdict.closure }
  return { sequence, kind, failure }
}
