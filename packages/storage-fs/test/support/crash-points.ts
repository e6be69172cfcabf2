import { createHash } from 'node:crypto'
import { isLease } from '@fhir-outbox/queue-core'
import { type FsPort, type FsStorage, inspectFsStorage } from '../../src/index.js'
import { afterPowerCut, type DiskState, images } from './disk-image.js'
import { simulatedDisk } from './simulated-disk.js'
import { text } from './tools.js'
import {
  type Book,
  createBench,
  directory,
  emptyBook,
  openOn,
  type Operation,
  operations,
} from './workloads.js'

export interface Tally {
  workloads: number
  /** File-system calls before which the power went. */
  crashPoints: number
  /** Pictures of the disk after it, and how many of them differed. */
  images: number
  distinct: number
  lost: number
  reordered: number
  duplicated: number
  corrupt: number
}

type Fault = 'lost' | 'reordered' | 'duplicated' | 'corrupt'

export interface Finding {
  readonly fault: Fault
  readonly workload: readonly Operation[]
  /** Which call of the last operation, and its name. */
  readonly at: string
  readonly image: string
  readonly what: string
}

export interface Beginning {
  readonly name: string
  readonly history: readonly Operation[]
  /** It saves this many operations of every workload, so workloads may be that much shorter. */
  readonly shorter: number
}

/** How a workload begins: on nothing, or in a store that has lived. */
export const beginnings: readonly Beginning[] = [
  { name: 'empty', history: [], shorter: 0 },
  {
    name: 'used',
    history: ['pair', 'rotate', 'deliver', 'append', 'trouble', 'kill', 'pair', 'rotate'],
    shorter: 1,
  },
]

export function emptyTally(): Tally {
  return {
    workloads: 0,
    crashPoints: 0,
    images: 0,
    distinct: 0,
    lost: 0,
    reordered: 0,
    duplicated: 0,
    corrupt: 0,
  }
}

/**
 * Every workload of this length. Those that contain an operation that has nothing to do are left out: without it
 * they are among the shorter ones.
 */
export function* workloads(length: number): Generator<readonly Operation[]> {
  if (length === 0) yield []
  else for (const start of workloads(length - 1)) for (const last of operations) yield [...start, last]
}

interface Instant {
  readonly at: string
  readonly state: DiskState
  readonly book: Book
}

/**
 * Runs a workload and lets the power go before every file-system call of its last operation, and after it. The
 * calls before were those of a shorter workload. Resolves to `false` when an operation had nothing to do.
 */
export async function explore(
  beginning: readonly Operation[],
  workload: readonly Operation[],
  tally: Tally,
  found: (finding: Finding) => void,
  disturb?: (port: FsPort) => FsPort,
): Promise<boolean> {
  const disk = simulatedDisk()
  const instants: Instant[] = []
  const watch = (book: () => Book): void => {
    disk.watch((operation) => {
      instants.push({ at: `${instants.length}:${operation}`, state: disk.state(), book: book() })
    })
  }
  // The very first opening.
  if (workload.length + beginning.length === 0) watch(() => emptyBook)
  const bench = await createBench(disk, beginning, disturb)
  for (const [index, operation] of workload.entries()) {
    if (index === workload.length - 1) watch(() => bench.book)
    if (!(await bench.perform(operation))) return false
  }
  disk.watch(undefined)
  instants.push({ at: `${instants.length}:end`, state: disk.state(), book: bench.book })
  tally.workloads++
  tally.crashPoints += instants.length
  const seen = new Set<string>()
  let before: Book | undefined
  for (const { at, state, book } of instants) {
    // Other promises make another case of the same bytes.
    if (book !== before) seen.clear()
    before = book
    for (const [image, survivors] of Object.entries(images)) {
      tally.images++
      const files = afterPowerCut(state, survivors)
      const print = fingerprint(files)
      if (seen.has(print)) continue
      seen.add(print)
      tally.distinct++
      const report = (fault: Fault, what: string): void => {
        tally[fault]++
        found({ fault, workload, at, image, what })
      }
      try {
        await judge(files, book, report)
      } catch (error) {
        report('corrupt', error instanceof Error ? error.message : String(error))
      }
    }
  }
  return true
}

function fingerprint(files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha1')
  for (const [path, data] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}:${data.length}:`).update(data)
  }
  return hash.digest('base64')
}

type Report = (fault: Fault, what: string) => void

/** Opens what the power cut left and compares it with what was promised. */
async function judge(files: ReadonlyMap<string, Uint8Array>, book: Book, report: Report): Promise<void> {
  const disk = simulatedDisk(files)
  if ([...files.keys()].some((path) => path.startsWith(`${directory}/segment-`))) {
    const { unreadable } = await inspectFsStorage(directory, { fs: disk.port() })
    if (unreadable.length > 0) report('corrupt', `unreadable: ${unreadable.join()}`)
  }
  const storage = await openOn(disk.port())
  const { quarantined, doubtful } = storage.recovery
  if (quarantined.length + doubtful.length > 0) report('corrupt', 'a power cut was taken for damage')
  const last = await compare(storage, book, report)
  await drain(storage, last, report)
  await storage.close()

  // What was found and done is there to stay.
  disk.crash('power')
  const again = await openOn(disk.port())
  const left = await again.stats()
  if (left.waiting > 0) report('duplicated', `${left.waiting} delivered entries wait again`)
  await again.close()
}

async function compare(storage: FsStorage, book: Book, report: Report): Promise<number> {
  const stats = await storage.stats()
  const { accepted, waiting, delivered, dead, discarded, quarantined } = stats
  if (accepted !== waiting + delivered + dead + discarded + quarantined) report('corrupt', 'the audit is off')
  const present = await storage.list({ limit: 1000 })
  if (present.length !== accepted) report('corrupt', `${present.length} of ${accepted} entries`)
  const places = new Map(present.map((entry) => [entry.key, entry]))
  const units = new Map<number, boolean>()
  for (const [key, known] of book.entries) {
    const entry = places.get(key)
    places.delete(key)
    const state = entry?.state ?? 'absent'
    const wasThere = units.get(known.unit)
    if (wasThere !== undefined && wasThere !== (entry !== undefined))
      report('corrupt', `half of ${key}'s append`)
    units.set(known.unit, entry !== undefined)
    if (state === 'quarantined') report('corrupt', `${key} is quarantined`)
    else if (!known.may.has(state)) {
      const fault = state === 'absent' ? 'lost' : state === 'waiting' ? 'duplicated' : 'corrupt'
      report(fault, `${key} is ${state}, not ${[...known.may].join(' or ')}`)
    }
    if (entry === undefined) continue
    if (known.sequence !== undefined && entry.sequence !== known.sequence)
      report('corrupt', `${key} was renumbered`)
    if (entry.lane !== known.lane) report('corrupt', `${key} changed its lane`)
    const hasPayload = state === 'waiting' || state === 'unknown' || state === 'dead'
    if (!hasPayload) continue
    const payload = text((await storage.read(entry.sequence))?.payload)
    if (payload === undefined || !known.payloads.includes(payload))
      report('corrupt', `${key} has another payload`)
  }
  if (places.size > 0) report('corrupt', `nobody asked for ${[...places.keys()].join()}`)
  const note = text((await storage.notes.get('name'))?.bytes) ?? ''
  if (!book.note.has(note)) report('lost', 'the note')
  return Math.max(0, ...[...book.entries.values()].map(({ sequence = 0 }) => sequence))
}

/** A new entry gets a new number, and everything can be delivered once and in order. */
async function drain(storage: FsStorage, last: number, report: Report): Promise<void> {
  const empty = new Uint8Array(0)
  const [fresh] = await storage.append([
    { lane: 'a', gate: 'gate', key: 'fresh', header: empty, payload: empty },
  ])
  if (fresh === undefined || fresh.sequence <= last) report('corrupt', 'a sequence was given out twice')
  const heads = new Map<string, number>()
  const sent = new Set<number>()
  for (;;) {
    const lease = await storage.lease({ limit: 10, maxBytes: 1e9, ttlMs: 60_000, closedGates: [] })
    if (!isLease(lease)) break
    for (const { sequence } of lease.entries) {
      if (sent.has(sequence)) report('duplicated', `${sequence} was leased twice`)
      if (sequence < (heads.get(lease.lane) ?? 0)) report('reordered', `${sequence} in lane ${lease.lane}`)
      sent.add(sequence)
      heads.set(lease.lane, sequence)
    }
    await storage.settle(
      lease,
      lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: empty })),
    )
  }
  if ((await storage.stats()).waiting > 0) report('lost', 'an entry that waits and is never leased')
  await storage.sync()
}
