import { isLease, type Lease, type LeasedEntry, type QueueStorage } from '../storage-port.js'
import type { GateClosure, Transport } from '../transport-port.js'
import { laneBackoff, nextWait } from './backoff.js'
import type { OutboxDefaults } from './defaults.js'
import { startDelivery, type Consignment, type Delivery } from './delivery.js'
import type { OutboxEnvironment } from './environment.js'
import type { OutboxEvent } from './events.js'
import { endExpired, type PerishableEntry } from './expiry.js'
import { codeOf, failureOf } from './failures.js'
import type { GateKeeper } from './gates.js'
import { createSuspects } from './suspects.js'

/** Takes leases and delivers them, as many lanes at a time as allowed, for as long as somebody wants it. */
export interface Scheduler {
  /** Something may have become ready, or somebody wants deliveries now. */
  kick(): void
  /** Aborts what is under way and resolves when nothing is left: no delivery, no timer. */
  halt(): Promise<void>
}

export interface SchedulerWorld {
  readonly storage: QueueStorage
  readonly transport: Transport
  readonly defaults: OutboxDefaults
  readonly environment: OutboxEnvironment
  readonly gates: GateKeeper
  readonly ttlMs: ((entry: PerishableEntry) => number | undefined) | undefined
  /** Whether deliveries leave receipts. */
  readonly receipts: boolean
  readonly emit: (event: OutboxEvent) => void
  /** Whether new leases may be taken. */
  readonly wanted: () => boolean
  /** Nothing is under way and nothing is ready for this handle; `elsewhere`: another one drains. */
  readonly idle: (elsewhere: boolean) => void
  /** The storage does not give leases. */
  readonly failed: (error: unknown) => void
}

export function createScheduler(world: SchedulerWorld): Scheduler {
  const { storage, defaults, environment, gates, emit } = world
  const backoff = laneBackoff(defaults.laneBackoff, environment.random)
  const suspects = createSuspects({
    now: () => environment.now(),
    giveUpMs: defaults.unknownGiveUpMs,
    openMs: (gate, ms) => gates.openMs(gate, ms),
  })
  const active = new Set<Delivery>()
  let filling: Promise<void> | undefined
  let again = false
  /** What the storage said last. */
  let elsewhere = false
  let cancelTimer: (() => void) | undefined
  let failureWait: number | undefined

  function arm(ms: number | undefined): void {
    cancelTimer?.()
    cancelTimer = undefined
    if (ms === undefined || !world.wanted()) return
    cancelTimer = environment.setTimer(() => {
      cancelTimer = undefined
      kick()
    }, ms)
  }

  function deliver(consignment: Consignment, trial: boolean): void {
    const { lease, entries } = consignment
    const { gate, lane } = lease
    let inconclusive = trial
    emit({ type: 'leased', lane, gate, sequences: entries.map(({ sequence }) => sequence), trial })

    function learned(closure: GateClosure | undefined): void {
      const byTrial = inconclusive
      inconclusive = false
      if (closure !== undefined) {
        if (gates.close(gate, closure, byTrial)) tellClosed(gate)
      } else if (byTrial) {
        gates.open(gate)
        emit({ type: 'gate-opened', gate })
        kick()
      }
    }

    const delivery = startDelivery(
      {
        ...world,
        backoff,
        suspects,
        learned,
        gateIsClosed: () => gates.isClosed(gate),
        openMs: (ms) => gates.openMs(gate, ms),
      },
      consignment,
    )
    active.add(delivery)
    void delivery.done.then(() => {
      active.delete(delivery)
      if (inconclusive) inconclusiveTrial(gate)
      kick()
      settleDown()
    })
  }

  function tellClosed(gate: string): void {
    const status = gates.status().find((one) => one.gate === gate)
    if (status !== undefined) emit({ type: 'gate-closed', gate: status })
  }

  /** Nothing was learned, or it blew up. Unless the outbox stops, that must not become a hot loop. */
  function inconclusiveTrial(gate: string): void {
    if (!world.wanted()) gates.dropTrial(gate)
    else if (gates.prolong(gate)) emit({ type: 'gate-opened', gate })
  }

  /** Takes leases until nothing is ready or all hands are full. Returns when to look again. */
  async function fill(): Promise<number | undefined> {
    const tried = new Set<string>()
    let nextDue: number | undefined
    while (active.size < defaults.lanes && world.wanted()) {
      const trial = gates.dueTrial(tried)
      if (trial !== undefined) {
        tried.add(trial)
        gates.beginTrial(trial)
      }
      const askedAt = environment.now()
      const lease = await takeLease(trial)
      if (!isLease(lease)) {
        // Of a closed gate only its own trial asks: the entry to try may be delayed, or held by a lost lease.
        const { nextDueInMs } = lease
        if (nextDueInMs !== undefined) nextDue = Math.min(nextDue ?? Infinity, nextDueInMs)
        if (trial === undefined) break
        gates.dropTrial(trial)
        continue
      }
      gates.see(lease.gate)
      if (!world.wanted()) {
        await giveBack(lease, trial)
        continue
      }
      // A trial finds out about the gate; whatever has outlived its time goes when it is open again.
      const entries = (trial === undefined ? await endExpired(world, lease) : lease.entries).map((entry) =>
        agedOnlyWhileOpen(entry, lease.gate),
      )
      if (entries.length > 0) deliver({ lease, entries, askedAt }, trial !== undefined)
    }
    // With all hands full nothing can start before one is free, and that kicks.
    if (active.size >= defaults.lanes) return undefined
    const trialIn = gates.nextTrialInMs(tried)
    if (nextDue === undefined || trialIn === undefined) return nextDue ?? trialIn
    return Math.min(nextDue, trialIn)
  }

  /** A closed gate ages no entry: nobody could find out anything meanwhile. */
  function agedOnlyWhileOpen(entry: LeasedEntry, gate: string): LeasedEntry {
    const { troubledForMs } = entry
    if (troubledForMs === undefined) return entry
    return { ...entry, troubledForMs: Math.max(0, troubledForMs - gates.closedMs(gate, troubledForMs)) }
  }

  async function takeLease(trial: string | undefined): ReturnType<QueueStorage['lease']> {
    const oneByOne = suspects.lanes()
    try {
      const answer = await storage.lease({
        limit: trial === undefined ? defaults.runEntries : 1,
        maxBytes: defaults.runBytes,
        ttlMs: defaults.leaseMs,
        closedGates: trial === undefined ? gates.closedGates() : [],
        ...(trial === undefined ? {} : { onlyGate: trial }),
        ...(oneByOne.length === 0 ? {} : { oneByOne }),
      })
      elsewhere = !isLease(answer) && answer.elsewhere === true
      for (const sequence of answer.setAside ?? []) emit({ type: 'set-aside', sequence })
      return answer
    } catch (error) {
      if (trial !== undefined) gates.dropTrial(trial)
      throw error
    }
  }

  /** Stopped while the storage was giving: everything goes back as it came. */
  async function giveBack(lease: Lease, trial: string | undefined): Promise<void> {
    if (trial !== undefined) gates.dropTrial(trial)
    await storage.settle(
      lease,
      lease.entries.map(({ sequence, state }) => ({ sequence, outcome: state, delayMs: 0, spent: false })),
    )
  }

  async function fillUntilQuiet(): Promise<void> {
    let next: number | undefined
    do {
      again = false
      try {
        next = await fill()
        failureWait = undefined
      } catch (error) {
        failureWait = nextWait(defaults.laneBackoff, failureWait, environment.random())
        next = failureWait
        again = false
        emit({
          type: 'storage-failed',
          failure: failureOf(error, 'the storage gave no lease', 'ERR_STORAGE_FAILED'),
        })
        world.failed(error)
        if (codeOf(error) === 'ERR_STORAGE_CLOSED') next = undefined
      }
    } while (again && world.wanted())
    again = false
    filling = undefined
    arm(next)
    settleDown()
  }

  function settleDown(): void {
    if (active.size === 0 && filling === undefined) world.idle(elsewhere)
    if (!world.wanted()) arm(undefined)
  }

  function kick(): void {
    if (!world.wanted()) return
    again = true
    filling ??= fillUntilQuiet()
  }

  return {
    kick,
    async halt() {
      arm(undefined)
      for (const delivery of active) delivery.stop()
      await filling
      for (const delivery of active) delivery.stop()
      await Promise.all([...active].map(({ done }) => done))
      arm(undefined)
    },
  }
}
