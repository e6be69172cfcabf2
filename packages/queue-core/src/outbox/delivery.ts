import type { Lease, LeasedEntry, QueueStorage } from '../storage-port.js'
import type { DeliveryContext, Failure, GateClosure, Outcome, Transport } from '../transport-port.js'
import type { LaneBackoff } from './backoff.js'
import type { OutboxDefaults } from './defaults.js'
import type { OutboxEnvironment } from './environment.js'
import type { OutboxEvent } from './events.js'
import { abortError, codeOf, failureOf } from './failures.js'
import { createMarks } from './marks.js'
import { createJudge, type Verdict } from './settlements.js'
import type { Suspects } from './suspects.js'

/** What one delivery needs from the outbox. */
export interface DeliveryWorld {
  readonly storage: QueueStorage
  readonly transport: Transport
  readonly defaults: OutboxDefaults
  readonly environment: OutboxEnvironment
  readonly backoff: LaneBackoff
  readonly receipts: boolean
  readonly emit: (event: OutboxEvent) => void
  /** Called after each group: whether the destination was to blame, and why. */
  readonly learned: (closure: GateClosure | undefined) => void
  readonly gateIsClosed: () => boolean
  /** For how much of the last `ms` this outbox was open and the gate, too. */
  readonly openMs: (ms: number) => number
  readonly suspects: Suspects
}

/** A run of entries on its way. */
export interface Delivery {
  /** Resolves, never rejects, when all entries are settled or the lease is lost. */
  readonly done: Promise<void>
  /** Aborts the transport and gives it a moment to wind up. */
  stop(): void
}

const cutShort = Symbol('cut short')

const outcomeKinds: ReadonlySet<string> = new Set<Outcome['kind']>([
  'delivered',
  'rejected',
  'parked',
  'not-sent',
  'unknown',
])

/** A lease, those of its entries that are to be sent, and when it was asked for by this machine's clock. */
export interface Consignment {
  readonly lease: Lease
  readonly entries: readonly LeasedEntry[]
  readonly askedAt: number
}

/** Sends entries of one lease and settles what the transport tells, group by group. */
export function startDelivery(world: DeliveryWorld, { lease, entries, askedAt }: Consignment): Delivery {
  const { storage, transport, defaults, environment, suspects, emit } = world
  const { lane, gate } = lease
  const controller = new AbortController()
  const open = new Map<number, LeasedEntry>(entries.map((entry) => [entry.sequence, entry]))
  const timers = new Set<() => void>()
  const judge = createJudge({
    lease,
    defaults,
    backoff: world.backoff,
    at: () => new Date(environment.wallClock()).toISOString(),
    receipts: world.receipts,
    openMs: world.openMs,
  })
  /** Until when the lease holds, by this machine's clock. */
  let goodUntil = askedAt + defaults.leaseMs
  let lost = false
  let stopping = false
  let progressed = false
  let cut: (value: typeof cutShort) => void = () => undefined
  const cutting = new Promise<typeof cutShort>((resolve) => {
    cut = resolve
  })

  function later(fn: () => void, ms: number): void {
    const cancel = environment.setTimer(() => {
      timers.delete(cancel)
      fn()
    }, ms)
    timers.add(cancel)
  }

  /** The storage will not take anything more from us: what was marked becomes unknown by itself. */
  function lose(): void {
    lost = true
    controller.abort(abortError())
    cut(cutShort)
  }

  function storageFailed(error: unknown): void {
    if (codeOf(error) === 'ERR_LEASE_LOST') return lose()
    emit({
      type: 'storage-failed',
      failure: failureOf(error, 'the storage failed during a delivery', 'ERR_STORAGE_FAILED'),
    })
  }

  async function renew(): Promise<void> {
    const asked = environment.now()
    try {
      await storage.renew(lease, defaults.leaseMs)
      goodUntil = asked + defaults.leaseMs
    } catch (error) {
      storageFailed(error)
    }
    if (!lost && open.size > 0) later(() => void renew(), defaults.renewMs)
  }

  const marks = createMarks({
    storage,
    lease,
    uuid: environment.uuid,
    signal: controller.signal,
    isOver: () => environment.now() >= goodUntil,
    lose,
    sent: (sequences) => emit({ type: 'sent', lane, gate, sequences: [...sequences] }),
  })
  const context: DeliveryContext = {
    lane,
    gate,
    signal: controller.signal,
    mark: async (sequences, info) => marks.announce(sequences, info).leave(),
    announce: marks.announce,
  }

  async function settle(verdicts: readonly Verdict[]): Promise<boolean> {
    const settlements = verdicts.map(({ settlement }) => settlement)
    await marks.calm(settlements)
    if (lost || verdicts.length === 0) return !lost
    try {
      await storage.settle(lease, settlements)
    } catch (error) {
      storageFailed(error)
      lose()
      return false
    }
    for (const { settlement } of verdicts) {
      open.delete(settlement.sequence)
      marks.forget(settlement.sequence)
    }
    judge.chained(verdicts)
    for (const { event } of verdicts) emit(event)
    return true
  }

  async function take(outcomes: readonly Outcome[]): Promise<boolean> {
    const known: [LeasedEntry, Outcome][] = []
    const taken = new Set<number>()
    for (const outcome of outcomes) {
      const entry = open.get(outcome.sequence)
      if (entry === undefined || taken.has(outcome.sequence)) {
        failed({ code: 'ERR_TRANSPORT_FAILED', message: 'an outcome for an entry that is not open' })
        continue
      }
      // Without types a transport may say anything, and an entry in no state would be lost.
      if (!outcomeKinds.has(outcome.kind)) {
        failed({ code: 'ERR_TRANSPORT_FAILED', message: 'an outcome of a kind that does not exist' })
        continue
      }
      taken.add(outcome.sequence)
      known.push([entry, outcome])
    }
    if (known.length === 0) return true
    const closure = known
      .map(([, outcome]) => ('closesGate' in outcome ? outcome.closesGate : undefined))
      .find((one) => one !== undefined)
    // A gate is closed before its entries come back, or they would be leased again in between.
    if (closure !== undefined) world.learned(closure)
    if (!(await settle(await judge.judge(known)))) return false
    if (known.some(([, { kind }]) => kind === 'delivered' || kind === 'rejected' || kind === 'parked')) {
      progressed = true
    }
    if (closure === undefined) world.learned(undefined)
    return true
  }

  function failed(failure: Failure): void {
    emit({ type: 'transport-failed', lane, gate, failure })
  }

  async function converse(): Promise<Failure | undefined> {
    const unknown = entries[0]?.state === 'unknown'
    try {
      const outcomes = unknown ? transport.resolve(entries, context) : transport.deliver(entries, context)
      const iterator = outcomes[Symbol.asyncIterator]()
      for (;;) {
        const step = await Promise.race([iterator.next(), cutting])
        if (step === cutShort || step.done === true) {
          if (step === cutShort) hangUp(iterator)
          return undefined
        }
        if (!(await take(step.value))) {
          hangUp(iterator)
          return undefined
        }
      }
    } catch (error) {
      if (stopping || lost) return undefined
      const failure = failureOf(error, 'the delivery failed without an outcome', 'ERR_TRANSPORT_FAILED')
      failed(failure)
      return failure
    }
  }

  /** Lets a generator clean up, without waiting for one that hangs. */
  function hangUp(iterator: AsyncIterator<unknown>): void {
    if (!controller.signal.aborted) controller.abort(abortError())
    void Promise.resolve(iterator.return?.()).catch(() => undefined)
  }

  /** Whatever has no outcome returns: unknown when a request with it has left, waiting otherwise. */
  async function windUp(failure: Failure | undefined): Promise<void> {
    if (open.size < entries.length) suspects.passed(lane, entries.length - open.size)
    if (open.size === 0 || lost) return
    const why = failure ?? {
      code: stopping ? 'ERR_OUTBOX_STOPPED' : 'ERR_NO_OUTCOME',
      message: stopping ? 'the outbox stopped during the delivery' : 'the delivery told no outcome',
    }
    // Entries that a transport leaves for its next turn are not made to wait, if it got anywhere at all.
    const delayed = !stopping && !world.gateIsClosed() && (failure !== undefined || !progressed)
    const left = [...open.values()]
    const silent = left.filter(({ sequence, state }) => state === 'waiting' && !marks.hasLeft(sequence))
    // What has left explains why nothing more was heard.
    if (delayed && silent.length === left.length) suspects.failed(lane, silent, entries.length === 1)
    const verdicts = left.map((entry): Verdict | undefined => {
      const { sequence } = entry
      if (marks.hasLeft(sequence)) return judge.comeBack(entry, 'unknown', why, delayed)
      if (delayed && suspects.isHopeless(lane, gate, sequence)) {
        suspects.clear(lane)
        return judge.park(entry, why)
      }
      if (failure === undefined && !delayed) return undefined
      return judge.comeBack(entry, entry.state, why, delayed)
    })
    const released = left.filter((_, at) => verdicts[at] === undefined)
    await settle(verdicts.filter((verdict) => verdict !== undefined))
    await marks.calm(released)
    if (released.length === 0 || lost) return
    try {
      await storage.settle(lease, released.map(judge.release))
    } catch (error) {
      storageFailed(error)
    }
  }

  async function run(): Promise<void> {
    later(() => void renew(), defaults.renewMs)
    try {
      await windUp(await converse())
    } finally {
      open.clear()
      for (const cancel of timers) cancel()
      timers.clear()
    }
  }

  return {
    done: run(),
    stop() {
      if (stopping) return
      stopping = true
      controller.abort(abortError())
      later(() => cut(cutShort), defaults.stopGraceMs)
    },
  }
}
