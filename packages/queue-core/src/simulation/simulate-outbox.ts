import type { OutboxDefaults } from '../outbox/defaults.js'
import type { QueueStats, QueueStorage } from '../storage-port.js'
import { createDigest } from './digest.js'
import { createJudge, type Verdicts } from './judge.js'
import { startProcess, type ProcessWorld, type SimulatedProcess } from './process.js'
import { seededRandom } from '../internal/random.js'
import { simulatedServer, type NetworkFaults } from './server.js'
import { survivingMemory, type SimulatedStore, type SimulationKit } from './store.js'
import { createActor, createTimeline, type Actor, type Timeline } from './timeline.js'
import { createProducer, makeWishes } from './workload.js'

/** Options of `simulateOutbox`. */
export interface SimulationOptions {
  /** Everything that happens follows from it. */
  readonly seed: number
  /** The store to simulate with. Default: memory that survives its process. */
  readonly createStore?: (kit: SimulationKit) => SimulatedStore
  /** Stands between the outbox and the store each time it is opened: to break it on purpose. */
  readonly wrapStorage?: (storage: QueueStorage) => QueueStorage
  /** Entries to deliver. Default 40. */
  readonly entries?: number
  /** Overrides of the outbox's numbers. */
  readonly defaults?: Partial<OutboxDefaults>
  /** Overrides of how often the network fails. */
  readonly network?: Partial<NetworkFaults>
  /** How often a process falls asleep when it has just sent something, and for how long at most. */
  readonly sleeps?: { readonly share: number; readonly longestMs: number }
  /** Share of storage calls that fail. Default 0.01. */
  readonly storageFaults?: number
  /** Tells every step, to read what a seed has done. */
  readonly log?: (line: string) => void
}

/** What came of one seed. The same seed gives the same report. */
export interface SimulationReport extends Verdicts {
  readonly seed: number
  /** Entries that still waited when everything had been well for long. */
  readonly stuck: number
  /** Times at which the audit did not balance. */
  readonly unbalanced: number
  /** No promise was broken. */
  readonly ok: boolean
  readonly crashes: number
  readonly sleeps: number
  readonly redriven: number
  readonly givenUp: number
  /** How often each trouble of the network has happened. */
  readonly troubles: Readonly<Record<string, number>>
  /** Steps of the simulation, and how much virtual time they took. */
  readonly events: number
  readonly virtualMs: number
  /** Of everything that happened, in order. */
  readonly digest: string
}

const minute = 60_000
const usualFaults: NetworkFaults = {
  lostBefore: 0.04,
  lostAfter: 0.06,
  late: 0.03,
  busy: 0.06,
  throttled: 0.03,
  outage: 0.02,
}

/** How long troubles last, and how long everything may take afterwards. */
const troubledMs = 30 * minute
const patienceMs = 48 * 60 * minute

function balances(stats: QueueStats): boolean {
  const { accepted, waiting, delivered, dead, discarded, quarantined } = stats
  return accepted === waiting + delivered + dead + discarded + quarantined
}

/**
 * Runs an outbox through half an hour of troubles that never happened: lost requests and answers, outages,
 * throttling, crashes, machines that sleep, storage calls that fail, two processes on one store. Then everything
 * is well, dead letters are redriven or given up, and what is left is counted.
 *
 * @example
 * const report = await simulateOutbox({ seed: 7 })
 * if (!report.ok) throw new Error(`seed ${report.seed}: ${report.duplicated} duplicated, ${report.lost} lost`)
 */
export async function simulateOutbox(options: SimulationOptions): Promise<SimulationReport> {
  const timeline = createTimeline()
  try {
    return await simulate(options, timeline)
  } finally {
    timeline.close()
  }
}

async function simulate(options: SimulationOptions, timeline: Timeline): Promise<SimulationReport> {
  const { seed, entries = 40, storageFaults = 0.01 } = options
  const { share: sleepy, longestMs } = options.sleeps ?? { share: 0.08, longestMs: 5 * minute }
  const random = seededRandom(seed)
  const digest = createDigest()
  const log = (line: string): void => {
    const told = `${timeline.now()} ${line}`
    digest.add(told)
    options.log?.(told)
  }
  const judge = createJudge()
  const troubled = (): boolean => timeline.now() < troubledMs
  const faults = { ...usualFaults, ...options.network }
  const server = simulatedServer({ timeline, random, judge, faults, troubled })
  const kit = { seed, now: () => timeline.now(), random: seededRandom(seed ^ 0x5eed) }
  const store = (options.createStore ?? survivingMemory)(kit)
  const wishes = makeWishes(random, entries)
  const producer = createProducer(wishes, random, judge)
  for (const { key } of wishes) if (random.chance(0.06)) server.poisoned.add(key)
  for (const { key } of wishes) if (random.chance(0.03)) server.spoilers.add(key)
  const world: ProcessWorld = {
    timeline,
    random,
    server,
    defaults: { ...options.defaults },
    storageFaults,
    troubled,
    log,
    // The worst moment: a request is under way, and the lease runs out before its answer is heard.
    hasSent(actor) {
      if (random.chance(sleepy) && troubled()) sleep(actor)
    },
  }
  const director = createActor('director')
  let storage = await timeline.during(open())
  let processes: SimulatedProcess[] = []
  let started = 0
  let crashes = 0
  let sleeps = 0
  let unbalanced = 0

  async function open(): Promise<QueueStorage> {
    const opened = await store.open()
    return options.wrapStorage?.(opened) ?? opened
  }

  function start(): void {
    const count = random.between(1, 2)
    processes = Array.from({ length: count }, () => startProcess(`process ${++started}`, storage, world))
  }

  async function crash(): Promise<void> {
    crashes++
    log('crash')
    for (const { actor } of processes) actor.alive = false
    processes = []
    await timeline.during(store.crash())
    await timeline.wait(random.between(0, 20_000), director)
    storage = await timeline.during(open())
    start()
  }

  function sleep(actor: Actor): void {
    sleeps++
    actor.frozenUntil = timeline.now() + random.between(1000, longestMs)
    log(`${actor.name} sleeps until ${actor.frozenUntil}`)
  }

  async function audit(): Promise<void> {
    const stats = await timeline.during(storage.stats())
    if (!balances(stats)) unbalanced++
  }

  /** Whoever has something to send, and fate. */
  async function live(): Promise<void> {
    while (timeline.now() < troubledMs || !producer.done) {
      await timeline.wait(random.between(1, (2 * troubledMs) / entries), director)
      const chosen = random.pick(processes)
      if (chosen !== undefined && !producer.done) {
        // A dead process never answers, and a failed call is made again.
        void producer.offer(chosen.outbox).catch(() => undefined)
      }
      if (troubled() && random.chance(0.06)) await crash()
      else if (chosen !== undefined && troubled() && random.chance(sleepy)) sleep(chosen.actor)
      await audit()
    }
  }

  let over = false
  const story = (async () => {
    start()
    await live()
    return await settle()
  })()

  /** Everything is well: dead letters are decided on, and the rest has all the time in the world. */
  async function settle(): Promise<{ stuck: number; redriven: number; givenUp: number }> {
    for (const { actor } of processes) actor.frozenUntil = 0
    let redriven = 0
    let givenUp = 0
    server.poisoned.clear()
    server.spoilers.clear()
    for (let round = 0; round < 20; round++) {
      await timeline.wait(30 * minute, director)
      const dead = await timeline.during(storage.list({ state: 'dead', limit: 1000 }))
      for (const { sequence, key } of dead) {
        const givesUp = random.chance(0.2) && !judge.isApplied(key)
        const kind = givesUp ? 'discard' : 'redrive'
        await timeline.during(storage.decide(sequence, { kind, note: new Uint8Array(0) }))
        log(`${kind} ${sequence}`)
        if (givesUp) {
          givenUp++
          judge.givenUp(key)
        } else redriven++
      }
      givenUp += await withdrawHeld()
      await audit()
      const { waiting, dead: left } = await timeline.during(storage.stats())
      if (waiting === 0 && left === 0) break
    }
    const { waiting, dead } = await timeline.during(storage.stats())
    over = true
    return { stuck: waiting + dead, redriven, givenUp }
  }

  /** What is after something that was given up can never go, and somebody has to say so. */
  async function withdrawHeld(): Promise<number> {
    const waiting = await timeline.during(storage.list({ state: 'waiting', limit: 1000 }))
    let count = 0
    for (const { sequence, key, heldBy } of waiting) {
      if (heldBy === undefined) continue
      const blocker = await timeline.during(storage.read(heldBy))
      if (blocker?.state !== 'discarded') continue
      await timeline.during(storage.decide(sequence, { kind: 'withdraw', note: new Uint8Array(0) }))
      log(`withdraw ${sequence}`)
      judge.givenUp(key)
      count++
    }
    return count
  }

  await timeline.run(() => over, patienceMs)
  if (!over) throw new Error(`seed ${seed}: the simulation did not come to an end`)
  const { stuck, redriven, givenUp } = await story
  const verdicts = judge.verdicts()
  for (const { actor } of processes) actor.alive = false
  await timeline.during(storage.close())
  const { lost, duplicated, reordered, early, corrupted } = verdicts
  const broken = lost + duplicated + reordered + early + corrupted + stuck + unbalanced
  return {
    seed,
    ...verdicts,
    stuck,
    unbalanced,
    ok: broken === 0,
    crashes,
    sleeps,
    redriven,
    givenUp,
    troubles: Object.fromEntries(server.troubles),
    events: timeline.moments,
    virtualMs: timeline.now(),
    digest: digest.read(),
  }
}
