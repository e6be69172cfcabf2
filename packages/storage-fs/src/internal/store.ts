import { type Retention, storageClosed } from '@fhir-outbox/queue-core'
import type { FsPort } from '../fs-port.js'
import type { Ahead } from './ahead.js'
import type { Catalog } from './catalog.js'
import type { LogWriter } from './log-writer.js'
import type { FrameReader, SegmentFiles } from './segment-files.js'
import type { Settings } from './settings.js'
import type { SparePool } from './spares.js'

/** What reading needs. */
export interface Readable {
  readonly directory: string
  readonly catalog: Catalog
  readonly files: SegmentFiles
  /** Milliseconds like a wall clock, but never backwards. */
  readonly clock: () => number
  /** The record of an entry turned out to be unreadable. */
  readonly damaged: (sequence: number) => Promise<void>
}

/** What the operations of one open storage share. */
export interface Store extends Readable {
  readonly fs: FsPort
  readonly writer: LogWriter
  readonly spares: SparePool
  readonly limits: Settings['limits']
  readonly retention: Retention
  readonly segmentBytes: number
  /** What lease ids begin with: never the same for two owners of a directory. */
  readonly leaseOwner: string
  /** Tells the watchers that something may be ready. */
  readonly notify: () => void
  /** Asks for compaction at the next opportunity. */
  readonly tidy: () => void
  /** Entries of which a new base record is on its way; resolved when it has arrived. */
  readonly busy: Map<number, Promise<unknown>>
  /** Reads ahead for leases; all of them share it. */
  readonly leaseReader: FrameReader
  readonly ahead: Ahead
  /** Location behind the last entry that was leased. */
  leasedTo: number
  nextSequence: number
  /** Pending while a wipe is under way: calls made after it wait. */
  wiping: Promise<unknown> | undefined
  closed: boolean
}

/** Throws when the store is closed or has failed. */
export function requireOpen(store: Store): void {
  if (store.closed) throw storageClosed()
  store.writer.check()
}

/** Runs a change of one entry's base record alone: nothing else moves or decides on the entry meanwhile. */
export async function exclusively<T>(store: Store, sequence: number, change: () => Promise<T>): Promise<T> {
  for (let other = store.busy.get(sequence); other !== undefined; other = store.busy.get(sequence)) {
    await other.catch(() => undefined)
  }
  const running = change()
  store.busy.set(sequence, running)
  try {
    return await running
  } finally {
    store.busy.delete(sequence)
  }
}
