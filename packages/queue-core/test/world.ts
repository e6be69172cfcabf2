import {
  memoryStorage,
  openOutbox,
  type DeliveryContext,
  type EntryDraft,
  type LeasedEntry,
  type Outbox,
  type OutboxDefaults,
  type OutboxEvent,
  type OutboxOptions,
  type Outcome,
  type QueueStorage,
} from '@fhir-outbox/queue-core'
import { memoryData, memoryHandle } from '../src/memory-storage.js'

/** Virtual time: nothing moves until a test says so. */
export interface FakeTime {
  now(): number
  setTimer(fn: () => void, ms: number): () => void
  /** Lets time pass, firing timers in order. */
  advance(ms: number): Promise<void>
  readonly timers: number
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Lets everything that can go on without time go on. */
export async function quiet(): Promise<void> {
  for (let round = 0; round < 10; round++) {
    // Ciphers work outside the event loop: a hash of our own comes after what was asked of them before.
    if (round % 4 === 0) await crypto.subtle.digest('SHA-256', new Uint8Array(1))
    await turn()
  }
}

export async function until(condition: () => boolean | Promise<boolean>, what = 'condition'): Promise<void> {
  for (let round = 0; round < 5000; round++) {
    if (await condition()) return
    await turn()
  }
  throw new Error(`never came true: ${what}`)
}

export function fakeTime(): FakeTime {
  let clock = 1000
  const timers = new Set<{ readonly at: number; readonly fn: () => void }>()
  return {
    now: () => clock,
    setTimer(fn, ms) {
      const timer = { at: clock + ms, fn }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      await quiet()
      const end = clock + ms
      for (;;) {
        const next = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
        if (next === undefined) break
        timers.delete(next)
        clock = Math.max(clock, next.at)
        next.fn()
        await quiet()
      }
      clock = end
      await quiet()
    },
    get timers() {
      return timers.size
    },
  }
}

export interface Call {
  readonly kind: 'deliver' | 'resolve'
  readonly sequences: readonly number[]
  readonly lane: string
  readonly at: number
}

export type Answer = (
  entries: readonly LeasedEntry[],
  context: DeliveryContext,
  kind: 'deliver' | 'resolve',
) => AsyncIterable<readonly Outcome[]>

export function delivered(entry: { readonly sequence: number }, id = `X/${entry.sequence}`): Outcome {
  return { sequence: entry.sequence, kind: 'delivered', receipt: { status: 201, id } }
}

export const refused = { code: 'ERR_UNREACHABLE', message: 'connection refused' }

/** Marks and delivers everything in one request. */
export async function* deliverAll(
  entries: readonly LeasedEntry[],
  context: DeliveryContext,
): AsyncGenerator<readonly Outcome[]> {
  await context.mark(entries.map(({ sequence }) => sequence))
  yield entries.map((entry) => delivered(entry))
}

/** The gate is to blame for the first entry; the rest is left alone. */
export async function* gateFails(
  entries: readonly LeasedEntry[],
  retryAfterMs?: number,
): AsyncGenerator<readonly Outcome[]> {
  const [first] = entries
  if (first === undefined) return
  const closesGate = { failure: refused, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  yield [{ sequence: first.sequence, kind: 'not-sent', failure: refused, closesGate }]
}

export interface World {
  readonly time: FakeTime
  readonly storage: QueueStorage
  readonly outbox: Outbox
  readonly events: OutboxEvent[]
  readonly calls: Call[]
  /** Sequences in the order in which they were sent. */
  sent(): number[]
  answer: Answer
  add(overrides?: Partial<EntryDraft>): Promise<number>
  types(): string[]
}

let keys = 0

export function world(
  options: {
    answer?: Answer
    defaults?: Partial<OutboxDefaults>
    ttlMs?: OutboxOptions['ttlMs']
    random?: number
    time?: FakeTime
    storage?: QueueStorage
    receipts?: boolean
  } = {},
): World {
  const time = options.time ?? fakeTime()
  const storage = options.storage ?? memoryStorage({ now: time.now })
  const calls: Call[] = []
  const events: OutboxEvent[] = []
  const ask = (kind: Call['kind']) =>
    function (entries: readonly LeasedEntry[], context: DeliveryContext): AsyncIterable<readonly Outcome[]> {
      const sequences = entries.map(({ sequence }) => sequence)
      calls.push({ kind, sequences, lane: context.lane, at: time.now() })
      return result.answer(entries, context, kind)
    }
  const outbox = openOutbox({
    storage,
    transport: { deliver: ask('deliver'), resolve: ask('resolve') },
    defaults: { lanes: 4, ...options.defaults },
    ...(options.ttlMs === undefined ? {} : { ttlMs: options.ttlMs }),
    ...(options.receipts === undefined ? {} : { receipts: options.receipts }),
    environment: {
      now: time.now,
      wallClock: () => 1_700_000_000_000 + time.now(),
      random: () => options.random ?? 0,
      setTimer: time.setTimer,
    },
  })
  outbox.subscribe((event) => events.push(event))
  const result: World = {
    time,
    storage,
    outbox,
    events,
    calls,
    sent: () => calls.flatMap(({ sequences }) => sequences),
    answer: options.answer ?? deliverAll,
    async add(overrides = {}) {
      keys++
      const { sequence } = await outbox.enqueue({
        lane: 'lane',
        gate: 'gate',
        key: `key-${keys}`,
        header: new Uint8Array(0),
        payload: new TextEncoder().encode(`payload-${keys}`),
        ...overrides,
      })
      return sequence
    },
    types: () => events.map(({ type }) => type),
  }
  return result
}

/** What the next process finds when one died while it delivered three entries, of which it had settled the first. */
export async function afterDeathIn(answer: Answer): Promise<World> {
  const time = fakeTime()
  const data = memoryData({ now: time.now })
  const { supports } = memoryStorage()
  const dying = memoryHandle(data, supports)
  const first = world({ time, storage: dying, answer })
  for (let count = 0; count < 3; count++) await first.add()
  first.outbox.start()
  await until(() => first.types().includes('delivered'))
  // The first outbox is never heard of again.
  await dying.close()
  data.index.abandonLeases(time.now())
  return world({ time, storage: memoryHandle(data, supports) })
}
