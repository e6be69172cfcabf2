import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isLease,
  memoryStorage,
  type Lease,
  type QueueStorage,
  type Settlement,
} from '@fhir-outbox/queue-core'
import { naiveQueue, type NaiveLease, type NaiveQueue, type NaiveRule } from './naive-queue.js'

interface Model {
  readonly naive: NaiveQueue
  readonly leases: NaiveLease[]
}

interface Real {
  readonly storage: QueueStorage
  readonly leases: Lease[]
  clock: number
}

/** A command that always applies and compares everything afterwards. */
class Step implements fc.AsyncCommand<Model, Real> {
  readonly #name: string
  readonly #act: (model: Model, real: Real) => Promise<void>

  constructor(name: string, act: (model: Model, real: Real) => Promise<void>) {
    this.#name = name
    this.#act = act
  }

  check(): boolean {
    return true
  }

  async run(model: Model, real: Real): Promise<void> {
    real.clock = model.naive.now
    await this.#act(model, real)
    real.clock = model.naive.now
    await compare(model, real)
  }

  toString(): string {
    return this.#name
  }
}

async function compare({ naive }: Model, { storage }: Real): Promise<void> {
  expect(await storage.stats()).toEqual(naive.stats())
  const listed = await storage.list({ limit: 1000 })
  const items = naive.items()
  expect(listed.map(({ sequence }) => sequence)).toEqual(items.map(({ sequence }) => sequence))
  for (const [at, item] of items.entries()) {
    const entry = listed[at]
    expect([
      entry?.state,
      entry?.deadReason,
      entry?.leased,
      entry?.heldBy,
      entry?.attempts,
      entry?.dueInMs,
      entry?.mark?.group,
    ]).toEqual([
      item.state,
      item.deadReason,
      item.lease !== undefined,
      naive.heldBy(item),
      item.attempts,
      (item.state === 'waiting' || item.state === 'unknown') && item.dueAt > naive.now
        ? item.dueAt - naive.now
        : undefined,
      item.state === 'unknown' ? item.group : undefined,
    ])
  }
}

async function accepted(call: Promise<unknown>): Promise<boolean> {
  try {
    await call
    return true
  } catch (error) {
    expect(error).toMatchObject({ name: 'QueueError' })
    return false
  }
}

const ttl = 100

const add = (lane: string, gate = 'g', after: readonly number[] = [], bytes = 1): Step =>
  new Step(`add(${lane}, ${gate}, ${after.join()}, ${bytes})`, async ({ naive }, { storage }) => {
    const known = after.filter((sequence) => sequence <= naive.items().length)
    const sequence = naive.add(lane, gate, known, bytes)
    const payload = new Uint8Array(bytes)
    const draft = { lane, gate, after: known, key: `k${sequence}`, header: new Uint8Array(0), payload }
    expect(await storage.append([draft])).toEqual([{ sequence, duplicate: false }])
  })

const lease = (limit = 10, maxBytes = 1000, closed: readonly string[] = []): Step =>
  new Step(`lease(${limit}, ${maxBytes}, ${closed.join()})`, async (model, real) => {
    const expected = model.naive.lease(limit, maxBytes, ttl, closed)
    const taken = await real.storage.lease({ limit, maxBytes, ttlMs: ttl, closedGates: closed })
    const sequences = isLease(taken) ? taken.entries.map(({ sequence }) => sequence) : undefined
    expect(sequences).toEqual(expected?.sequences)
    if (!isLease(taken) || expected === undefined) return
    real.leases.push(taken)
    model.leases.push(expected)
  })

/** Picks one of the last leases, and some of its entries. */
function picked(
  model: Model,
  real: Real,
  back: number,
  mask: number,
): [NaiveLease, Lease, number[]] | undefined {
  const at = Math.max(0, model.leases.length - 1 - back)
  const [expected, taken] = [model.leases[at], real.leases[at]]
  if (expected === undefined || taken === undefined) return undefined
  const sequences = expected.sequences.filter((_, position) => (mask >> position) % 2 === 0)
  return sequences.length === 0 ? undefined : [expected, taken, sequences]
}

const mark = (groups: readonly string[], back = 0, mask = 0): Step =>
  new Step(`mark(${groups.join()}, ${back}, ${mask})`, async (model, real) => {
    const chosen = picked(model, real, back, mask)
    if (chosen === undefined) return
    const [expected, taken, sequences] = chosen
    const notes = sequences.map((sequence, at) => ({ sequence, group: groups[at % groups.length] ?? 'x' }))
    expect(await accepted(real.storage.mark(taken, notes))).toBe(model.naive.mark(expected, notes))
  })

type Outcome = Settlement['outcome']
interface End {
  readonly outcome: Outcome
  readonly delayMs: number
  readonly spent: boolean
}

/** Each entry of the run ends in its own way. */
const settle = (ends: readonly End[], back = 0, mask = 0): Step =>
  new Step(`settle(${JSON.stringify(ends)}, ${back}, ${mask})`, async (model, real) => {
    const chosen = picked(model, real, back, mask)
    if (chosen === undefined) return
    const [expected, taken, sequences] = chosen
    const settlements = sequences.map((sequence, at): Settlement => {
      const { outcome, delayMs, spent } = ends[at % ends.length] ?? {
        outcome: 'waiting',
        delayMs: 0,
        spent: false,
      }
      if (outcome === 'waiting' || outcome === 'unknown') return { sequence, outcome, delayMs, spent }
      return { sequence, outcome, note: new Uint8Array(0) }
    })
    expect(await accepted(real.storage.settle(taken, settlements))).toBe(
      model.naive.settle(expected, settlements),
    )
  })

const decide = (pick: number, kind: 'redrive' | 'discard' | 'assume-delivered' | 'withdraw'): Step =>
  new Step(`decide(${pick}, ${kind})`, async ({ naive }, { storage }) => {
    const all = naive.items()
    const fitting = all.filter(({ state }) => state === (kind === 'withdraw' ? 'waiting' : 'dead'))
    const from = pick % 4 === 0 || fitting.length === 0 ? all : fitting
    const sequence = from[(pick >> 2) % Math.max(1, from.length)]?.sequence ?? 1
    const note = new Uint8Array(0)
    expect(await accepted(storage.decide(sequence, { kind, note }))).toBe(naive.decide(sequence, kind))
  })

const elapse = (ms: number): Step =>
  new Step(`elapse(${ms})`, async ({ naive }, real) => {
    naive.now += ms
    real.clock = naive.now
  })

const hurry = (): Step =>
  new Step('hurry()', async ({ naive }, { storage }) => {
    await storage.hurry?.()
    naive.hurry()
  })

const outcomes = [
  'delivered',
  'rejected',
  'parked',
  'expired',
  'waiting',
  'waiting',
  'unknown',
  'unknown',
] as const
const lanes = fc.constantFrom('a', 'a', 'a', 'b', 'c')
const masks = fc.constantFrom(0, 0, 0, 1, 2, 3)
const ends = fc.array(
  fc.record({
    outcome: fc.constantFrom(...outcomes),
    delayMs: fc.constantFrom(0, 0, 30),
    spent: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
)
const steps = [
  fc
    .tuple(
      lanes,
      fc.constantFrom('g', 'g', 'g', 'h'),
      fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 1 }),
      fc.nat(9),
    )
    .map((all) => add(...all)),
  fc.tuple(lanes).map(([lane]) => add(lane)),
  fc
    .tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(5, 20, 100),
      fc.constantFrom([], [], [], ['g'], ['h']),
    )
    .map((all) => lease(...all)),
  fc.constant(lease()),
  fc
    .tuple(fc.array(fc.constantFrom('x', 'y'), { minLength: 1, maxLength: 2 }), fc.nat(1), masks)
    .map((all) => mark(...all)),
  fc.tuple(ends, fc.nat(2), masks).map((all) => settle(...all)),
  fc
    .tuple(fc.nat(1000), fc.constantFrom('redrive', 'redrive', 'discard', 'assume-delivered', 'withdraw'))
    .map((all) => decide(...all)),
  fc.constantFrom(1, 30, ttl).map(elapse),
  fc.constant(hurry()),
]

function setUp(without?: NaiveRule): { model: Model; real: Real } {
  const real: Real = { clock: 0, leases: [], storage: memoryStorage({ now: () => real.clock }) }
  return { model: { naive: naiveQueue(without), leases: [] }, real }
}

const wait = (delayMs: number): End => ({ outcome: 'waiting', delayMs, spent: false })
const end = (outcome: Outcome): End => ({ outcome, delayMs: 0, spent: false })

/** For each rule a story that cannot be told without it. */
const stories: readonly [NaiveRule, readonly Step[]][] = [
  [
    'due inside a run',
    [add('a'), add('a'), add('a'), lease(), settle([wait(0), wait(30), wait(0)]), lease()],
  ],
  ['held inside a run', [add('b'), add('a'), add('a', 'g', [1]), lease(1), lease()]],
  ['gate inside a run', [add('a', 'g'), add('a', 'h'), lease()]],
  ['state inside a run', [add('a'), add('a'), lease(), settle([end('unknown'), wait(0)]), lease()]],
  ['group inside a run', [add('a'), add('a'), lease(), mark(['x', 'y']), elapse(ttl), lease()]],
  ['bytes of a run', [add('a', 'g', [], 5), add('a', 'g', [], 5), lease(10, 9)]],
  ['turns', [add('a'), add('a'), add('b'), lease(1), settle([end('delivered')]), lease()]],
  ['fence', [add('a'), lease(), elapse(ttl), settle([end('delivered')])]],
  [
    'order of redriven',
    [add('a'), add('a'), lease(1), settle([end('rejected')]), decide(1, 'redrive'), lease()],
  ],
]

describe('memoryStorage against the naive queue', () => {
  it('does the same, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(steps, { maxCommands: 50, size: 'max' }), (commands) =>
        fc.asyncModelRun(() => setUp(), commands),
      ),
      { numRuns: 150 },
    )
  })

  it.each(stories)('keeps the rule: %s', async (_rule, story) => {
    await fc.asyncModelRun(() => setUp(), story)
  })

  it.each(stories)('and would be found out without it: %s', async (rule, story) => {
    await expect(fc.asyncModelRun(() => setUp(rule), story)).rejects.toThrow()
  })

  it.each(stories.map(([rule]) => rule))('by chance, too: %s', async (rule) => {
    const found = await fc.check(
      fc.asyncProperty(fc.commands(steps, { maxCommands: 50, size: 'max' }), (commands) =>
        fc.asyncModelRun(() => setUp(rule), commands),
      ),
      { numRuns: 400, seed: 7, endOnFailure: true },
    )
    expect(found.failed).toBe(true)
  })
})
