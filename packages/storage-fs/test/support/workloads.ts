import { isLease, type Lease } from '@fhir-outbox/queue-core'
import { type FsPort, openFsStorage, type FsStorage } from '../../src/index.js'
import { bytes, draft } from './tools.js'
import type { SimulatedDisk } from './simulated-disk.js'

export const directory = '/q'
/** Small, so that a few entries fill a segment and everything that happens to segments happens. */
const segmentBytes = 1024
const tooLargeForTheRest = 700

/** Where an entry may be after a crash. `absent`: nobody was told that it had been accepted. */
export type Whereabouts = 'absent' | 'waiting' | 'unknown' | 'dead' | 'delivered' | 'discarded'

interface Known {
  readonly lane: string
  /** All drafts of one append. */
  readonly unit: number
  /** Contents that may be found. */
  readonly payloads: readonly string[]
  readonly may: ReadonlySet<Whereabouts>
  /** Set once the caller was told. */
  readonly sequence?: number
}

/** What the world outside knows: which promises were made, and what each crash may therefore show. */
export interface Book {
  readonly entries: ReadonlyMap<string, Known>
  readonly note: ReadonlySet<string>
}

export const emptyBook: Book = { entries: new Map(), note: new Set(['']) }

/** A store in use, the promises it made, and the operations that workloads are made of. */
export interface Bench {
  readonly book: Book
  readonly disk: SimulatedDisk
  /** Resolves to whether there was anything to do. */
  perform(operation: Operation): Promise<boolean>
}

export const operations = [
  'append',
  'pair',
  'mark',
  'deliver',
  'trouble',
  'rotate',
  'reopen',
  'kill',
] as const
export type Operation = (typeof operations)[number]

/** A store whose clock stands nearly still, so that equal histories leave equal bytes. */
export async function openOn(fs: FsPort): Promise<FsStorage> {
  let time = 1_700_000_000_000
  return await openFsStorage({ directory, fs, segmentBytes, now: () => ++time })
}

/** Lets work in the background come to rest. */
async function quiet(disk: SimulatedDisk): Promise<void> {
  for (let idle = 0, seen = -1; idle < 3; idle++) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    if (disk.calls.length !== seen) idle = 0
    seen = disk.calls.length
  }
}

/** Opens a store and lets it live through its history. */
export async function createBench(
  disk: SimulatedDisk,
  history: readonly Operation[],
  disturb: (port: FsPort) => FsPort = (port) => port,
): Promise<Bench> {
  let book = emptyBook
  let storage = await openOn(disturb(disk.port()))
  let held: Lease | undefined
  let marked = false
  let made = 0
  let units = 0
  /** What a settlement said that nobody has synced yet: it is certain after the next durable call. */
  let unsynced: ReadonlyMap<string, Whereabouts> = new Map()

  function change(key: string, next: Partial<Known>): void {
    const known = book.entries.get(key)
    if (known === undefined) throw new Error(`${key} was never made`)
    book = { ...book, entries: new Map(book.entries).set(key, { ...known, ...next }) }
  }
  const becomes = (key: string, ...may: Whereabouts[]): void => change(key, { may: new Set(may) })
  const mayBe = (key: string, ...more: Whereabouts[]): void => {
    becomes(key, ...(book.entries.get(key)?.may ?? []), ...more)
  }

  /** A call resolved that promises durability: what was written before is durable too. */
  function synced(): void {
    for (const [key, state] of unsynced) becomes(key, state)
    unsynced = new Map()
  }

  async function append(lanes: readonly string[], size: number): Promise<boolean> {
    const unit = ++units
    const drafts = lanes.map((lane) => {
      const key = `${lane}${++made}`
      const payload = `${key}:${'x'.repeat(size)}`
      const known: Known = { lane, unit, payloads: [payload], may: new Set(['absent', 'waiting']) }
      book = { ...book, entries: new Map(book.entries).set(key, known) }
      return draft(key, { lane, payload: bytes(payload) })
    })
    const appended = await storage.append(drafts)
    synced()
    for (const [at, { key }] of drafts.entries()) {
      const sequence = appended[at]?.sequence
      change(key, { may: new Set(['waiting']), ...(sequence === undefined ? {} : { sequence }) })
    }
    return true
  }

  async function lease(): Promise<Lease | undefined> {
    if (held !== undefined) return held
    const answer = await storage.lease({ limit: 2, maxBytes: 1e9, ttlMs: 60_000, closedGates: [] })
    held = isLease(answer) ? answer : undefined
    return held
  }

  async function mark(): Promise<boolean> {
    const lease_ = await lease()
    if (lease_ === undefined || marked) return false
    for (const { key } of lease_.entries) mayBe(key, 'unknown')
    marked = true
    const notes = lease_.entries.map(({ sequence }) => ({ sequence, group: `g${sequence}` }))
    await storage.mark(lease_, notes)
    synced()
    for (const { key } of lease_.entries) becomes(key, 'unknown')
    return true
  }

  /** The settlement of everything that is held; durable only with what comes after it. */
  async function settle(outcome: 'delivered' | 'rejected'): Promise<boolean> {
    const lease_ = await lease()
    if (lease_ === undefined) return false
    const state = outcome === 'delivered' ? 'delivered' : 'dead'
    for (const { key } of lease_.entries) mayBe(key, state)
    held = undefined
    marked = false
    await storage.settle(
      lease_,
      lease_.entries.map(({ sequence, key }) => ({ sequence, outcome, note: bytes(`${outcome} ${key}`) })),
    )
    unsynced = new Map([...unsynced, ...lease_.entries.map(({ key }) => [key, state] as const)])
    return true
  }

  /** A dead letter is corrected and redriven; without one, the next entries are rejected. */
  async function trouble(): Promise<boolean> {
    const [dead] = await storage.list({ state: 'dead', limit: 1 })
    if (dead === undefined) return await settle('rejected')
    const { key, sequence } = dead
    const corrected = `${key}:corrected`
    change(key, { payloads: [...(book.entries.get(key)?.payloads ?? []), corrected] })
    mayBe(key, 'waiting')
    await storage.decide(sequence, { kind: 'redrive', note: bytes('again'), payload: bytes(corrected) })
    unsynced = new Map([...unsynced].filter(([other]) => other !== key))
    synced()
    change(key, { may: new Set(['waiting']), payloads: [corrected] })
    return true
  }

  async function putNote(): Promise<void> {
    const [latest = ''] = [...book.note].slice(-1)
    const next = `${latest}n`
    book = { ...book, note: new Set([latest, next]) }
    await storage.notes.put('name', bytes(next), latest.length)
    synced()
    book = { ...book, note: new Set([next]) }
  }

  /** Leases end with their owner: what was not marked was never sent. */
  function ended(): void {
    held = undefined
    marked = false
  }

  async function perform(operation: Operation): Promise<boolean> {
    switch (operation) {
      case 'append':
        return await append(['a'], 20)
      case 'pair':
        return await append(['a', 'b'], 40)
      case 'mark':
        return await mark()
      case 'deliver':
        return await settle('delivered')
      case 'trouble':
        return await trouble()
      case 'rotate':
        await putNote()
        return await append(['b'], tooLargeForTheRest)
      case 'reopen':
        await storage.close()
        synced()
        ended()
        storage = await openOn(disturb(disk.port()))
        return true
      case 'kill': {
        disk.crash('process')
        storage = await openOn(disturb(disk.port()))
        ended()
        // Recovery has read what was written and synced what it read.
        const found = new Map((await storage.list({ limit: 1000 })).map(({ key, state }) => [key, state]))
        unsynced = new Map()
        for (const [key, { may }] of book.entries) {
          const state = found.get(key) ?? 'absent'
          if (state === 'quarantined' || !may.has(state)) throw new Error(`${key} was ${state} after a kill`)
          becomes(key, state)
        }
        return true
      }
    }
  }

  const bench: Bench = {
    get book() {
      return book
    },
    disk,
    perform: async (operation) => {
      const done = await perform(operation)
      await quiet(disk)
      return done
    },
  }
  for (const operation of history) await bench.perform(operation)
  await quiet(disk)
  return bench
}
