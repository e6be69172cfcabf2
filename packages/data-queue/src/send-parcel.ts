import type { FhirResponse } from '@fhir-outbox/fhir-client'
import type { DeliveryContext, Outcome } from '@fhir-outbox/queue-core'
import { lookAhead, type Ahead, type NextParcel, type SendingContext } from './ahead.js'
import { aboutSize, answersOf, namedEntry } from './answers.js'
import { bundleOutcomes } from './bundle-outcomes.js'
import { classify, failureOf, outcomeOf, type Verdict } from './classify.js'
import type { Destination, DeliveryWorld, Item } from './destination.js'
import { checkHealth, stillSilent } from './health.js'
import { loadParcel, type LoadedParcel, type Parcel } from './parcel.js'
import { sendSingle } from './single.js'

/** What the deliveries of one run share. */
export interface Run {
  readonly world: DeliveryWorld
  readonly destination: Destination
  readonly context: SendingContext
  readonly ahead: Ahead
  /** No order is kept: one that fails does not stop the others. */
  readonly unordered: boolean
}

/** Sends what was leased, looking one request ahead. */
export function sendRun(
  world: DeliveryWorld,
  destination: Destination,
  items: readonly Item[],
  context: DeliveryContext,
): AsyncGenerator<readonly Outcome[], boolean> {
  const unordered = items.every(({ header }) => header.ordered === false)
  const ahead = lookAhead(context, destination, world)
  return sendItems({ world, destination, context: ahead.context, ahead, unordered }, items)
}

/**
 * Sends items in order, as many in a request as may travel together, and stops at the first that is not settled.
 * Returns whether everything was settled.
 */
async function* sendItems(run: Run, items: readonly Item[]): AsyncGenerator<readonly Outcome[], boolean> {
  const { world, destination, context, ahead } = run
  let settled = true
  for (let from = 0; from < items.length;) {
    const rest = items.slice(from)
    const silence = await stillSilent(destination, world, context.signal)
    if (silence !== undefined) {
      // The gate closes on the first; the others come back untouched.
      yield rest.slice(0, 1).map(({ entry: { sequence } }) => ({
        sequence,
        kind: 'not-sent',
        failure: silence,
        closesGate: { failure: silence },
      }))
      return false
    }
    const next = ahead.take(rest)
    const { length } = next.parcel.items
    ahead.follow(rest.slice(length))
    const done = yield* sendParcel(run, next.parcel, next.loaded)
    settled &&= done
    if (!done && !run.unordered) return false
    from += length
  }
  return settled
}

async function* sendParcel(
  run: Run,
  parcel: Parcel,
  loading?: NextParcel['loaded'],
): AsyncGenerator<readonly Outcome[], boolean> {
  const { world, destination, context } = run
  const [first] = parcel.items
  if (first === undefined) return true
  if (parcel.kind === 'single' || parcel.items.length === 1) {
    const outcome = await sendSingle(world, destination, first, context)
    yield [outcome]
    return isSettled(outcome)
  }
  const loaded = await (loading ?? loadParcel(parcel, destination, world))
  if (!('shipments' in loaded)) return yield* apart(run, parcel, undefined)
  return yield* exchange(run, loaded)
}

function isSettled({ kind }: Outcome): boolean {
  return kind === 'delivered' || kind === 'rejected' || kind === 'parked'
}

async function* exchange(run: Run, parcel: LoadedParcel): AsyncGenerator<readonly Outcome[], boolean> {
  const { destination, context } = run
  const { dossier, endpoint, seen } = destination
  const sequences = parcel.shipments.map(({ entry }) => entry.sequence)
  let response: FhirResponse
  // As it was put together: what is known may have changed since.
  const plan = parcel.shipments.find(({ header }) => header.place !== undefined)?.plan.name
  await context.mark(sequences, { plan, kind: parcel.kind, n: sequences.length, at: run.world.now() })
  try {
    const answer = endpoint.client.request({
      method: 'POST',
      path: '',
      headers: {
        'Content-Type': seen.plainJson ? 'application/json' : 'application/fhir+json',
        ...(seen.plainJson ? { Accept: 'application/json' } : {}),
        Prefer: 'return=minimal',
      },
      body: parcel.body,
      signal: context.signal,
    })
    context.meanwhile?.()
    response = await answer
  } catch (error) {
    if (context.signal.aborted) throw error
    return yield* refused(run, parcel, error)
  }
  seen.worked = true
  seen.doubtful = false
  seen.forbidden = 0
  const answers = answersOf(response)
  if (answers === undefined || answers.length !== sequences.length) {
    // Whatever it ran, it was not a transaction as FHIR has it: each entry is asked about by itself.
    if (parcel.kind === 'transaction') await dossier.learn({ notAtomic: true })
    const message = `The answer to the ${parcel.kind} does not have its ${sequences.length} entries.`
    const failure = { code: 'ERR_NOT_FHIR', message, status: response.status }
    yield sequences.map((sequence) => ({ sequence, kind: 'unknown', failure, spent: true }))
    return false
  }
  if (parcel.kind === 'transaction' && answers.some(({ status }) => status >= 400 || status < 200)) {
    await dossier.learn({ notAtomic: true })
  }
  const outcomes = await bundleOutcomes(run, parcel.shipments, answers)
  yield outcomes
  return outcomes.every(isSettled)
}

async function* refused(
  run: Run,
  parcel: LoadedParcel,
  error: unknown,
): AsyncGenerator<readonly Outcome[], boolean> {
  const { world, destination, context } = run
  const { dossier, seen } = destination
  const failure = failureOf(error)
  const { status } = failure
  const verdict = classify(error)
  const all = (verdictForAll: Exclude<Verdict, { kind: 'applied' }>): readonly Outcome[] =>
    parcel.items.map(({ entry }) => outcomeOf(verdictForAll, entry, false, true))
  if (aboutSize(failure)) {
    await learnSize(run, parcel, status === 413)
    return yield* sendItems(run, parcel.items)
  }
  switch (verdict.kind) {
    case 'applied':
      // It was applied, but which ids it has given is lost: asked about one by one.
      yield all({ kind: 'unknown', failure })
      return false
    case 'unknown':
      if (status === undefined) seen.doubtful = true
      // A server that did not finish in time gets less to do.
      if (failure.code === 'ERR_TIMEOUT') await learnSize(run, parcel, false)
      // A broken connection says nothing about what was sent; only a server that failed on it gets it in smaller parts.
      yield all(verdict).map((outcome) =>
        outcome.kind === 'unknown' && status === undefined && failure.code !== 'ERR_TIMEOUT'
          ? { ...outcome, spent: false }
          : outcome,
      )
      return false
    case 'closed':
    case 'again':
      yield all(verdict)
      return false
    case 'rejected':
    case 'not-applied':
      break
  }
  // A transaction also gets the status of its worst entry, such as 404 for an update of what is not there.
  if (status === 405 || status === 501 || (status === 404 && !takesBundles(destination, parcel))) {
    await dossier.learn({ noBundles: true })
    return yield* apart(run, parcel, undefined)
  }
  if (verdict.kind === 'not-applied' && status === 400) {
    const type = parcel.items[0]?.header.resourceType ?? 'Patient'
    const health = await checkHealth(destination, world, type, context.signal)
    if (health.state === 'ill') {
      yield all({ kind: 'closed', closure: { failure } })
      return false
    }
  }
  const named = namedEntry(failure.issues)
  return named === undefined || named >= parcel.items.length
    ? yield* halves(run, parcel)
    : yield* apart(run, parcel, named)
}

function takesBundles({ dossier }: Destination, { kind }: Parcel): boolean {
  const { canaries, transaction, batch } = dossier.current()
  return canaries?.transaction === true || (kind === 'batch' ? batch : transaction) === true
}

/** Left half first, so that order holds; the halves find the culprit in as many steps as halving takes. */
async function* halves(run: Run, parcel: LoadedParcel): AsyncGenerator<readonly Outcome[], boolean> {
  const { items, kind } = parcel
  const middle = Math.ceil(items.length / 2)
  let settled = true
  let troubles = 0
  for (const part of [items.slice(0, middle), items.slice(middle)]) {
    if (await bodyIsHeld(run, part)) return false
    const sending = sendParcel(run, { kind: part.length === 1 ? 'single' : kind, items: part })
    for (;;) {
      const step = await sending.next()
      if (step.done === true) {
        settled &&= step.value
        break
      }
      troubles += step.value.filter((outcome) => outcome.kind !== 'delivered').length
      yield step.value
    }
    if (!settled && !run.unordered) return false
  }
  // Nothing was wrong with any of them: together they were too many, or the server takes no Bundles at all.
  if (settled && troubles === 0) {
    if (items.length === 2) await run.destination.dossier.learn({ noBundles: true })
    else await learnSize(run, parcel, false)
  }
  return settled
}

/** The one that the server named travels alone; before and after it, the rest stays together. */
async function* apart(
  run: Run,
  { items, kind }: Parcel,
  named: number | undefined,
): AsyncGenerator<readonly Outcome[], boolean> {
  const parts =
    named === undefined
      ? items.map((item) => [item])
      : [items.slice(0, named), items.slice(named, named + 1), items.slice(named + 1)]
  let settled = true
  for (const part of parts) {
    if (part.length === 0) continue
    if (await bodyIsHeld(run, part)) return false
    const done = yield* sendParcel(run, { kind: part.length === 1 ? 'single' : kind, items: part })
    settled &&= done
    if (!done && !run.unordered) return false
  }
  return settled
}

/** Whether one of them refers to an entry that has turned out dead: the queue holds it from now on. */
async function bodyIsHeld({ world }: Run, items: readonly Item[]): Promise<boolean> {
  for (const { header } of items) {
    for (const sequence of [
      ...(header.refs ?? []).map(([, one]) => one),
      ...(header.of === undefined ? [] : [header.of]),
    ]) {
      if ((await world.read(sequence))?.state === 'dead') return true
    }
  }
  return false
}

async function learnSize({ destination }: Run, parcel: LoadedParcel, byBytes: boolean): Promise<void> {
  const { dossier } = destination
  const half = Math.max(1, Math.floor(parcel.items.length / 2))
  const stored = parcel.items.reduce((sum, { entry }) => sum + entry.payload.length, 0)
  if (byBytes) await dossier.learn({ bytes: Math.max(1, Math.floor(stored / 2)) })
  else if (parcel.conditional > 0 && parcel.conditional === parcel.items.length)
    await dossier.learn({ conditionalEntries: half })
  else await dossier.learn({ entries: half })
}
