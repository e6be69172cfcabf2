import { parseNote, type DeliveryContext, type Failure, type Outcome } from '@fhir-outbox/queue-core'
import { classify, outcomeOf } from './classify.js'
import { planOf, type Destination, type DeliveryWorld, type Item } from './destination.js'
import { askable, findsAtOnce } from './evidence.js'
import { checkHealth, stillSilent } from './health.js'
import { hitsOf } from './hits.js'
import { runsAtomically, type Plan } from './plan.js'
import { askForId, askForKeys, type Hit } from './probe.js'
import { sendSingle } from './single.js'
import {
  absentYet,
  foundWithoutOthers,
  infoOf,
  planAsSent,
  putsToKey,
  tooSoon,
  wasAbsentBefore,
  wasFoundBefore,
  type SentPlan,
} from './sent.js'
import { firstOwnCreate } from './strip.js'

/** What asking about one entry showed. */
type Finding =
  | { readonly kind: 'found'; readonly hit: Hit }
  | { readonly kind: 'absent'; readonly sure: boolean }
  | { readonly kind: 'refused' }
  | { readonly kind: 'failed'; readonly error: unknown }

/**
 * Finds out about entries whose request got no answer; they all left in the same request. Sent again where that is
 * harmless, asked about where the server answers, else left to a person.
 */
export async function* resolveRun(
  world: DeliveryWorld,
  destination: Destination,
  items: readonly Item[],
  context: DeliveryContext,
): AsyncGenerator<readonly Outcome[]> {
  const [first] = items
  if (first === undefined) return
  const silence = await stillSilent(destination, world, context.signal)
  if (silence !== undefined) {
    const closesGate = { failure: silence }
    yield [{ sequence: first.entry.sequence, kind: 'unknown', failure: silence, closesGate }]
    return
  }
  if (infoOf(first.entry).kind === 'transaction' && isProvenAtomic(destination)) {
    const outcomes = await resolveTogether(world, destination, items, context)
    if (outcomes !== undefined) {
      yield outcomes
      return
    }
  }
  let blocked = false
  for (const item of items) {
    const outcome = await resolveOne(world, destination, item, context, !blocked)
    if (outcome === undefined) continue
    yield [outcome]
    // Asking about those behind it changes nothing; sending one of them would.
    if ((outcome.kind === 'unknown' || outcome.kind === 'not-sent') && item.header.ordered !== false) {
      blocked = true
      if ('closesGate' in outcome && outcome.closesGate !== undefined) return
    }
  }
}

/** The server's word is not enough here: one that runs transactions as batches would be believed. */
function isProvenAtomic({ dossier }: Destination): boolean {
  const evidence = dossier.current()
  return evidence.canaries?.transaction === true && runsAtomically(evidence, false)
}

/** `undefined`: it would have to be sent, and may not be now. */
async function resolveOne(
  world: DeliveryWorld,
  destination: Destination,
  item: Item,
  context: DeliveryContext,
  maySend: boolean,
): Promise<Outcome | undefined> {
  const plan = planAsSent(item, destination, world)
  const send = (): Promise<Outcome> | Outcome | undefined => {
    if (!maySend) return undefined
    return (
      tooSoon(world, destination, item, planOf(item, destination, world)) ??
      sendSingle(world, destination, item, context)
    )
  }
  if (plan.unknown === 'replay' || plan.name === 'unsupported') return await send()
  if (plan.unknown === 'park') return parked(item, plan)
  const finding = await ask(destination, item, plan, context.signal)
  switch (finding.kind) {
    case 'found':
      return found(world, destination, item, plan, finding.hit)
    case 'absent':
      if (wasFoundBefore(item)) return foundWithoutOthers(world, item)
      if (finding.sure) return notApplied(item)
      if (!wasAbsentBefore(item)) return absentYet(world, item)
      if (isProof(destination, item, plan)) return notApplied(item)
      // Only a search that misses what is surely there is known to be blind; else nothing is known, and nothing learned.
      return hasWitness(destination, item)
        ? await cannotAsk(world, destination, item, send)
        : parked(item, plan)
    case 'refused':
      return await cannotAsk(world, destination, item, send)
    case 'failed':
      return await failed(world, destination, item, finding.error, context, send)
  }
}

/**
 * Whether not being found says anything: the search is known to work, or the condition that goes along is the server's
 * own promise. Servers that do not know a search parameter answer with an empty list as well.
 */
export function isProof({ dossier }: Destination, { header }: Item, plan: SentPlan): boolean {
  const { resourceType: type = '', place, entries, fixed } = header
  const evidence = dossier.current()
  // Every create of the caller's transaction carries a condition; a forced plan is the caller's word for it.
  if (place === undefined || entries !== undefined) return true
  if (askable(evidence, type, place) === 'proven') return true
  if (plan.moved === true) return false
  if (fixed === true) return true
  return plan.name === 'conditional-create' && evidence.types?.[type]?.conditionalCreate === true
}

function hasWitness({ dossier }: Destination, { header }: Item): boolean {
  return dossier.current().learned.types?.[header.resourceType ?? '']?.witness !== undefined
}

/** The server does not answer: what is known of it changes, and the plan with it. */
async function cannotAsk(
  world: DeliveryWorld,
  destination: Destination,
  item: Item,
  send: () => Promise<Outcome> | Outcome | undefined,
): Promise<Outcome | undefined> {
  const { resourceType: type = '', entries } = item.header
  const sent = planAsSent(item, destination, world)
  // Nobody may read it, but the same PUT to an id of ours leaves the same content.
  if (putsToKey(sent) && sent.moved !== true) return await send()
  await destination.dossier.learnType(type, { search: false })
  const plan = planAsSent(item, destination, world)
  if (plan.moved === true) return parked(item, plan)
  // What a transaction of the caller repeats is protected by the conditions of its entries.
  if (plan.unknown === 'replay' || (entries !== undefined && plan.unknown === 'ask')) {
    return await send()
  }
  return parked(item, plan)
}

/** All or nothing: what one of them shows is true of all. `undefined` when none of them can be asked about. */
async function resolveTogether(
  world: DeliveryWorld,
  destination: Destination,
  items: readonly Item[],
  { signal }: DeliveryContext,
): Promise<readonly Outcome[] | undefined> {
  const plans = new Map(items.map((item) => [item, planAsSent(item, destination, world)]))
  const again = (item: Item, wasFound: boolean): Outcome =>
    wasFound ? foundWithoutOthers(world, item) : absentYet(world, item)
  const planFor = (item: Item): SentPlan => plans.get(item) ?? planAsSent(item, destination, world)
  const creates = items.filter((item) => item.header.place !== undefined)
  const isWorthAsking = (item: Item): boolean => {
    const plan = planFor(item)
    return putsToKey(plan) || isProof(destination, item, plan)
  }
  const witness = creates.find(isWorthAsking) ?? creates[0]
  if (witness === undefined) {
    // Updates and deletes only: doing them again changes nothing.
    return items.map(notApplied)
  }
  const first = await ask(destination, witness, planFor(witness), signal)
  if (first.kind === 'refused') return undefined
  if (first.kind === 'failed') return Promise.all(items.map((item) => failedOutcome(item, first.error)))
  if (first.kind === 'absent') {
    // What was shown once was applied, and everything with it.
    if (items.some(wasFoundBefore)) return items.map((item) => again(item, wasFoundBefore(item)))
    if (first.sure) return items.map(notApplied)
    if (!wasAbsentBefore(witness)) return items.map((item) => absentYet(world, item))
    // A search that may be blind shows nothing: then each has its own way to be found out about.
    return isWorthAsking(witness) ? items.map(notApplied) : undefined
  }
  const others = items.filter((item) => item !== witness && !putsToKey(planFor(item)))
  const hits = await hitsOf(destination, others, signal)
  const hitOf = (item: Item): Hit | undefined =>
    item === witness ? first.hit : putsToKey(planFor(item)) ? hitById(item) : hits.get(item.entry.key)
  // They are all there. Some are not shown yet: none is settled before the others, or nobody would vouch for those.
  const isEarly = creates.some((item) => hitOf(item) === undefined && !wasAbsentBefore(item))
  if (isEarly) return items.map((item) => again(item, hitOf(item) !== undefined))
  return items.map((item) => {
    const hit = hitOf(item)
    return hit === undefined
      ? foundByWitness(item, planFor(item))
      : found(world, destination, item, planFor(item), hit)
  })
}

/** A create under an id of ours, which is there. */
function hitById({ header, entry }: Item): Hit | undefined {
  if (header.place === undefined) return undefined
  return { id: `${header.resourceType ?? ''}/${entry.key}`, resource: undefined, count: 1 }
}

async function ask(
  { endpoint, dossier }: Destination,
  { header, entry }: Item,
  plan: Plan,
  signal: AbortSignal,
): Promise<Finding> {
  const { client } = endpoint
  const { resourceType: type = '' } = header
  if (putsToKey(plan)) {
    const isOwn = header.place !== undefined || header.contentType !== undefined
    const asked = await askForId(client, isOwn ? `${type}/${entry.key}` : header.path, signal)
    // Reading by id knows no lag.
    return asked.kind === 'absent' ? { kind: 'absent', sure: true } : asked
  }
  const own =
    header.entries === undefined
      ? header.place === undefined
        ? undefined
        : { type, place: header.place, key: entry.key }
      : firstOwnCreate(entry.payload)
  if (own === undefined || askable(dossier.current(), own.type, own.place) === 'no')
    return { kind: 'refused' }
  const witness =
    askable(dossier.current(), own.type, own.place) === 'perhaps'
      ? dossier.current().learned.types?.[own.type]?.witness
      : undefined
  const keys = witness === undefined ? [own.key] : [own.key, witness]
  const asked = await askForKeys(client, { type: own.type, place: own.place, keys }, signal)
  if (asked.kind !== 'answered') return asked
  // Whatever of ours it finds, it can find.
  if (asked.hits.size > 0) await dossier.learnType(own.type, { search: true })
  const hit = asked.hits.get(own.key)
  return hit === undefined
    ? { kind: 'absent', sure: findsAtOnce(dossier.current(), own.type) }
    : { kind: 'found', hit }
}

function found(
  world: DeliveryWorld,
  { gate }: Destination,
  { entry, header }: Item,
  plan: Plan,
  hit: Hit,
): Outcome {
  const { sequence } = entry
  if (hit.count > 1) world.tell({ type: 'duplicate-found', sequence, gate, count: hit.count })
  const { id, version } = hit
  const about =
    header.entries === undefined
      ? { id, ...(version === undefined ? {} : { version }) }
      : { entries: header.entries }
  return {
    sequence,
    kind: 'delivered',
    receipt: { status: 200, ...about, plan: plan.name, askedAgain: true, alreadyThere: true },
  }
}

function foundByWitness({ entry, header }: Item, plan: Plan): Outcome {
  return {
    sequence: entry.sequence,
    kind: 'delivered',
    receipt: {
      ...(header.place === undefined ? { id: header.path } : {}),
      plan: plan.name,
      askedAgain: true,
      alreadyThere: true,
    },
  }
}

function notApplied({ entry }: Item): Outcome {
  const failure = {
    code: 'ERR_NOT_APPLIED',
    message: 'The server was asked and does not have it; it is sent again.',
  }
  return { sequence: entry.sequence, kind: 'not-sent', failure, delayMs: 0 }
}

function parked({ entry }: Item, plan: Plan): Outcome {
  const note = parseNote(entry.note)
  const last = note?.kind === 'failure' ? ` ${note.failure.failure.message}` : ''
  const failure: Failure = {
    code: 'ERR_OUTCOME_UNKNOWN',
    message: `The answer got lost, and nobody can find out whether it was applied. ${plan.reason}${last}`,
  }
  return { sequence: entry.sequence, kind: 'parked', failure }
}

async function failed(
  world: DeliveryWorld,
  destination: Destination,
  item: Item,
  error: unknown,
  context: DeliveryContext,
  send: () => Promise<Outcome> | Outcome | undefined,
): Promise<Outcome | undefined> {
  const verdict = classify(error)
  if (verdict.kind === 'rejected' || verdict.kind === 'not-applied') {
    // A question that is refused with 400: the server is ill, or it does not understand it.
    const health = await checkHealth(
      destination,
      world,
      item.header.resourceType ?? 'Patient',
      context.signal,
    )
    if (health.state !== 'ill') return await cannotAsk(world, destination, item, send)
    const closesGate = { failure: health.failure }
    return { sequence: item.entry.sequence, kind: 'unknown', failure: health.failure, closesGate }
  }
  return failedOutcome(item, error)
}

/** What it is stays unknown; what the question met says how to go on. */
function failedOutcome({ entry }: Item, error: unknown): Outcome {
  const verdict = classify(error)
  const { sequence } = entry
  if (verdict.kind === 'applied')
    return {
      sequence,
      kind: 'unknown',
      failure: { code: 'ERR_TRUNCATED', message: 'The question was not answered.' },
    }
  if (verdict.kind === 'rejected' || verdict.kind === 'not-applied' || verdict.kind === 'again') {
    return { sequence, kind: 'unknown', failure: verdict.failure }
  }
  if (verdict.kind === 'unknown') {
    const { failure, closure } = verdict
    return { sequence, kind: 'unknown', failure, ...(closure === undefined ? {} : { closesGate: closure }) }
  }
  return outcomeOf(verdict, entry, true)
}
