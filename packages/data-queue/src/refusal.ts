import type { Failure, Outcome } from '@fhir-outbox/queue-core'
import type { SendingContext } from './ahead.js'
import { askFor, delivered, lookUp } from './accepted.js'
import { aboutSize } from './answers.js'
import { classify, failureOf, isMaybe, outcomeOf } from './classify.js'
import { settleConflict } from './conflict.js'
import type { Destination, DeliveryWorld, Item } from './destination.js'
import { envelopeRefusal } from './envelopes.js'
import { checkHealth } from './health.js'
import { runsAtomically } from './plan.js'
import { askForId } from './probe.js'
import { putsToKey } from './sent.js'
import type { Shipment } from './shipment.js'

/** A plan was refused as such: the next one is tried with the same entry. */
export interface GiveWay {
  readonly giveWay: Failure
}

/** Answers that mean "not this way" to a PUT under an id of ours. */
const noClientIds = new Set([400, 404, 405, 409, 422, 501])

/** What a refusal, or no answer at all, shows about an entry that travelled by itself. */
export async function refusal(
  world: DeliveryWorld,
  destination: Destination,
  shipment: Shipment,
  error: unknown,
  context: SendingContext,
): Promise<Outcome | GiveWay> {
  const outcome = await judged(world, destination, shipment, error, context)
  if (!isRepeatedPut(shipment) || 'giveWay' in outcome || outcome.kind !== 'rejected') return outcome
  const { failure } = outcome
  const message = `The answer got lost; sent again, it was refused, which says nothing about the first time. ${failure.message}`
  return { ...outcome, kind: 'parked', failure: { ...failure, code: 'ERR_OUTCOME_UNKNOWN', message } }
}

/** A PUT under an id of ours that may have been applied before: refusing the second one undoes nothing. */
function isRepeatedPut({ entry, plan, header }: Shipment): boolean {
  const creates = header.place !== undefined || header.contentType !== undefined
  return entry.state === 'unknown' && creates && putsToKey(plan)
}

async function judged(
  world: DeliveryWorld,
  destination: Destination,
  shipment: Shipment,
  error: unknown,
  context: SendingContext,
): Promise<Outcome | GiveWay> {
  const { entry, header, plan } = shipment
  const { sequence } = entry
  const { dossier, seen, endpoint } = destination
  const wasUnknown = entry.state === 'unknown'
  const failure = failureOf(error)
  const { status, issues = [] } = failure
  const { resourceType: type = '' } = header
  const creates = header.place !== undefined || header.contentType !== undefined
  const says = (code: string): boolean => issues.some((issue) => issue.code === code)
  if (status === undefined && isMaybe(error)) seen.doubtful = true
  if (endpoint.takes !== 'fhir') return envelopeRefusal(error, entry, wasUnknown)
  switch (status) {
    case 304:
    case 412:
      if (plan.name === 'put-if-none-match' && shipment.method === 'PUT') {
        return delivered(sequence, {
          status,
          id: shipment.path,
          plan: plan.name,
          askedAgain: true,
          alreadyThere: true,
        })
      }
      if (creates && plan.name === 'conditional-create' && status === 412) {
        return await conditionRefused(destination, shipment, failure, context)
      }
      break
    case 404:
    case 410:
      if (shipment.method === 'DELETE') {
        return delivered(sequence, { status, id: shipment.path, plan: plan.name, alreadyThere: true })
      }
      break
    case 406:
    case 415:
      if (!seen.plainJson && header.contentType === undefined) {
        seen.plainJson = true
        return { giveWay: failure }
      }
      break
    case 403:
      seen.forbidden += 1
      // One may be about the resource. Many in a row are about us: consent or scope was withdrawn.
      return seen.forbidden > 3
        ? {
            sequence,
            kind: wasUnknown ? 'unknown' : 'not-sent',
            failure,
            closesGate: { failure, needsPerson: true },
          }
        : { sequence, kind: 'rejected', failure }
    default:
  }
  if (status === 409 && creates) {
    const id = await whereItIs(destination, shipment, context)
    if (id !== undefined) {
      return delivered(sequence, { status, id, plan: plan.name, askedAgain: true, alreadyThere: true })
    }
  }
  if (shipment.method !== 'POST' && !creates && header.entries === undefined) {
    if (status === 428 || ((status === 409 || status === 412) && 'If-Match' in shipment.conditions)) {
      return settleConflict(world, destination, shipment, failure, context)
    }
  }
  if (
    status === 404 &&
    shipment.method === 'POST' &&
    !seen.worked &&
    dossier.current().statement !== 'read'
  ) {
    // Nothing has ever worked here: the address is wrong, or somebody hides that we may not.
    return {
      sequence,
      kind: wasUnknown ? 'unknown' : 'not-sent',
      failure,
      closesGate: { failure, needsPerson: true },
    }
  }
  if (header.entries !== undefined && aboutSize(failure)) {
    const { learned } = dossier.current()
    const conditions = learned.conditionalEntries ?? header.entries
    if (runsAtomically(dossier.current(), world.transactions === 'trusted') && header.entries <= conditions) {
      return without(dossier.learn({ conditionalEntries: Math.floor(header.entries / 2) }), failure)
    }
  }
  const put = creates && putsToKey(plan) && !isRepeatedPut(shipment)
  const giveWay = (): Promise<GiveWay> | undefined => {
    if (put && status !== undefined && noClientIds.has(status) && header.fixed !== true) {
      if (dossier.current().canaries?.clientIds === true && status !== 404 && status !== 405) return undefined
      return without(dossier.learnType(type, { clientIds: false }), failure)
    }
    const unsupported = status === 501 || says('not-supported')
    if (creates && plan.name === 'conditional-create' && unsupported && header.fixed !== true) {
      return without(dossier.learnType(type, { conditionalCreate: false }), failure)
    }
    return undefined
  }
  if (status === 400) {
    const verdict = classify(error)
    // A database outage can answer 400 as well: nobody is blamed before the server has shown that it is well.
    if (verdict.kind === 'not-applied') {
      const health = await checkHealth(
        destination,
        world,
        type === 'Bundle' ? 'Patient' : type,
        context.signal,
      )
      if (health.state === 'ill') {
        return { sequence, kind: wasUnknown ? 'unknown' : 'not-sent', failure, closesGate: { failure } }
      }
    }
    return (await giveWay()) ?? settle(error, entry, wasUnknown)
  }
  return (await giveWay()) ?? withSize(settle(error, entry, wasUnknown), shipment)
}

/** Where an entry is that the server says is in conflict with what it has: that may be this very entry. */
async function whereItIs(
  destination: Destination,
  shipment: Shipment,
  context: SendingContext,
): Promise<string | undefined> {
  const { method, path } = shipment
  if (method !== 'PUT') return (await lookUp(destination, shipment, context))?.id
  return (await askForId(destination.endpoint.client, path, context.signal)).kind === 'found'
    ? path
    : undefined
}

const severalWords =
  /multiple (?:match|resource)|match(?:es|ed) (?:multiple|several|more than one|[2-9]|[1-9]\d)/i

/**
 * FHIR says 412 when several resources match, older servers when they know no conditions, and few say which: who takes
 * the one for the other adds a third resource. So the server is asked what it has.
 */
async function conditionRefused(
  destination: Destination,
  shipment: Shipment,
  failure: Failure,
  context: SendingContext,
): Promise<Outcome | GiveWay> {
  const { entry, header, plan } = shipment
  const { sequence, state } = entry
  const several: Outcome = { sequence, kind: 'parked', failure: { ...failure, code: 'ERR_AMBIGUOUS_KEY' } }
  const { issues = [], status = 412 } = failure
  if (issues.some(({ code, text = '' }) => code === 'multiple-matches' || severalWords.test(text)))
    return several
  const asked = await askFor(destination, shipment, context)
  if (asked.kind === 'failed') {
    return { sequence, kind: state === 'unknown' ? 'unknown' : 'not-sent', failure, spent: true }
  }
  const hit = asked.kind === 'answered' ? asked.hits.get(entry.key) : undefined
  if (hit !== undefined && hit.count > 1) return several
  if (hit !== undefined) {
    const receipt = { status, id: hit.id, plan: plan.name, askedAgain: true, alreadyThere: true }
    return delivered(sequence, receipt)
  }
  const { resourceType: type = '' } = header
  return without(destination.dossier.learnType(type, { conditionalCreate: false }), failure)
}

async function without(learning: Promise<void>, failure: Failure): Promise<GiveWay> {
  await learning
  return { giveWay: failure }
}

function settle(error: unknown, entry: Item['entry'], wasUnknown: boolean): Outcome {
  const verdict = classify(error)
  return verdict.kind === 'applied'
    ? { sequence: entry.sequence, kind: 'delivered', receipt: verdict.receipt }
    : outcomeOf(verdict, entry, wasUnknown)
}

/** Somebody has to know how much was too much. */
function withSize(outcome: Outcome, { body }: Shipment): Outcome {
  if (outcome.kind !== 'rejected' || outcome.failure.status !== 413) return outcome
  const message = `${outcome.failure.message} It has ${body.length} bytes.`
  return { ...outcome, failure: { ...outcome.failure, message } }
}
