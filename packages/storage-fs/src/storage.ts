import { resolve } from 'node:path'
import {
  checkNote,
  checkNoteName,
  type KeptNote,
  QueueError,
  type QueueLimits,
  type QueueStorage,
  type Retention,
  steadyClock,
} from '@fhir-outbox/queue-core'
import { coded, storageFailed, unfinishedSalvage } from './errors.js'
import { type FsPort, isFull } from './fs-port.js'
import { createAhead } from './internal/ahead.js'
import { createAppender, forgetOld } from './internal/append.js'
import type { Catalog } from './internal/catalog.js'
import { CHECKPOINT_NAME, contentOf, writeCheckpoint } from './internal/checkpoint.js'
import { compact, thinOut } from './internal/compact.js'
import { decide } from './internal/decide.js'
import { lease, mark, settle } from './internal/lease.js'
import { type Ownership, takeOwnership } from './internal/lock.js'
import { logWriter } from './internal/log-writer.js'
import { createNotes } from './internal/notes.js'
import { UNFINISHED_SALVAGE } from './internal/patient-reads.js'
import { quarantine } from './internal/quarantine.js'
import { readEntry, readPage } from './internal/read.js'
import { CLOSE } from './internal/records.js'
import { recover, type Recovered } from './internal/recover.js'
import { clearLeftovers, repair } from './internal/repair.js'
import { createRoom } from './internal/room.js'
import { segmentFiles, type SegmentFiles } from './internal/segment-files.js'
import type { SegmentInfo } from './internal/segment-writer.js'
import { checkFormat } from './internal/segments.js'
import { type Settings, settingsOf } from './internal/settings.js'
import { sparePool } from './internal/spares.js'
import { requireOpen, type Store } from './internal/store.js'
import { supportsOf } from './internal/supports.js'
import { finishWipe, wipe } from './internal/wipe.js'
import { nodeFs } from './node-fs.js'

/** Limits of a storage in files. */
export interface FsStorageLimits extends QueueLimits {
  /** Free bytes that must stay on the disk; `append` refuses before. Default 256 MiB; 0 for no check. */
  readonly freeDiskBytes?: number
}

/** Options of `openFsStorage`. */
export interface FsStorageOptions {
  /** A directory of its own. It is created with mode 0700 when it does not exist. */
  readonly directory: string
  /** Default: the file system of Node.js. */
  readonly fs?: FsPort
  /** Milliseconds since 1970. Default: the wall clock at the start of the process, and its own pace from then on. */
  readonly now?: () => number
  readonly limits?: FsStorageLimits
  /** How long delivered and discarded entries are remembered. Default 30 days or 100,000. */
  readonly receipts?: Partial<Retention>
  /** A log file is closed when it would grow beyond this: 512 bytes to 1 GiB. Default 16 MiB. */
  readonly segmentBytes?: number
  /**
   * Read and check every record while opening, instead of trusting what was written down when the storage was
   * closed. Damage is then found at once and not when an entry is read. Default `false`.
   */
  readonly verify?: boolean
}

/** What opening found. */
export interface FsRecovery {
  /** Bytes of an interrupted, never acknowledged write that were cut off. */
  readonly cutBytes: number
  /** Sequences of entries whose record could not be read; they are `quarantined` now. */
  readonly quarantined: readonly number[]
  /** Waiting entries that became `unknown`, because a damaged record may have been the mark of a request. */
  readonly doubtful: readonly number[]
  /**
   * How the content of the log was found out: from the checkpoint of a clean close, or from its segments, by
   * their footers or by reading every record.
   */
  readonly source: { readonly checkpoint: boolean; readonly footers: number; readonly scanned: number }
}

/** A queue storage in files. */
export interface FsStorage extends QueueStorage {
  readonly recovery: FsRecovery
}

/**
 * Opens a queue storage in a directory; creates it when there is none. One process at a time: a second one is
 * refused, a lock left by a dead one is taken over. Rejects with `ERR_STORAGE_LOCKED`, `ERR_STORAGE_FORMAT`
 * (written by a newer version; nothing was touched) or `ERR_STORAGE_FAILED`, and with a `RangeError` when an option
 * makes no sense.
 *
 * @example
 * const storage = await openFsStorage({ directory: '/var/lib/gateway/outbox' })
 */
export async function openFsStorage(options: FsStorageOptions): Promise<FsStorage> {
  const fs = options.fs ?? nodeFs()
  const settings = settingsOf(options)
  // Daemons change to another directory later.
  const directory = resolve(options.directory)
  const clock = steadyClock(options.now ?? (() => performance.timeOrigin + performance.now()))
  let owner: Ownership | undefined
  let files: SegmentFiles | undefined
  try {
    await fs.mkdir(directory)
    if ((await fs.readdir(directory)).includes(UNFINISHED_SALVAGE)) throw unfinishedSalvage(directory)
    const generation = await checkFormat(fs, directory)
    owner = await takeOwnership(fs, directory, generation)
    files = segmentFiles(fs, directory)
    const recovered = await recover(fs, directory, files, {
      owner: leaseOwner(owner),
      clock,
      verify: options.verify ?? false,
    })
    return await start({ fs, directory, settings, clock: clock.now, owner, files, recovered })
  } catch (error) {
    await files?.close()
    await owner?.release().catch(() => undefined)
    if (error instanceof QueueError) throw error
    const why = isFull(error) ? ': opening needs free space' : ''
    throw storageFailed(`the storage in ${directory} cannot be opened${why}`, error)
  }
}

/** The index makes lease ids from it: never the same for two owners of a directory. */
function leaseOwner(owner: Ownership): string {
  return `fs${owner.generation}`
}

interface Parts {
  readonly fs: FsPort
  readonly directory: string
  readonly settings: Settings
  readonly clock: () => number
  readonly owner: Ownership
  readonly files: SegmentFiles
  readonly recovered: Recovered
}

async function start(parts: Parts): Promise<FsStorage> {
  const { fs, directory, settings, clock, owner, files, recovered } = parts
  const { segmentBytes, keepFree } = settings
  const { catalog } = recovered
  const listeners = new Set<() => void>()
  const spares = sparePool(fs, directory, { generation: owner.generation, segmentBytes, keepFree })
  let outdated: Promise<void> | undefined
  const writer = logWriter({
    fs,
    directory,
    owner,
    segmentBytes,
    spares,
    randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
    now: clock,
    nextSequence: recovered.nextSequence,
    previous: recovered.previous,
    started: (info) => {
      follow(catalog, files, info)
      // It does not agree with the log any more, and would only be in the way of who looks at the directory.
      outdated ??= fs.unlink(`${directory}/${CHECKPOINT_NAME}`).catch(() => undefined)
    },
  })
  let tidying: Promise<void> | undefined
  let notifying = false

  const store: Store = {
    fs,
    directory,
    catalog,
    writer,
    files,
    spares,
    limits: settings.limits,
    retention: settings.retention,
    segmentBytes,
    clock,
    damaged: (sequence) => quarantine(store, sequence),
    notify: () => {
      if (listeners.size === 0 || notifying) return
      notifying = true
      // Once for everything that one group made ready, and before its callers go on.
      queueMicrotask(() => {
        notifying = false
        const present = [...listeners]
        for (const listener of present) listener()
      })
    },
    tidy: () => {
      if (store.closed) return
      // In the background: a failure to write fails the store by itself, any other can wait for the next time.
      tidying ??= compact(store)
        .catch(() => undefined)
        .finally(() => {
          tidying = undefined
        })
    },
    leaseOwner: leaseOwner(owner),
    busy: new Map(),
    leaseReader: files.reader(),
    ahead: createAhead(catalog, files),
    leasedTo: 0,
    nextSequence: recovered.nextSequence,
    wiping: undefined,
    closed: false,
  }
  const room = createRoom(fs, directory, keepFree, clock)
  const appender = createAppender(store, room)
  const notes = createNotes(store)
  let closing: Promise<void> | undefined
  const underWay = new Set<Promise<unknown>>()

  try {
    await repair(store, recovered)
    await clearLeftovers(store, owner.generation)
    await finishWipe(store, recovered.firstSegment)
    await room.look()
    // Before anything can ask for compaction, so that there is one at a time.
    await thinOut(store)
    forgetOld(store, clock())
  } catch (error) {
    await writer.abandon()
    await spares.close()
    throw error
  }

  /** Gives every failure its code, and lets close wait for calls that came before it. */
  function run<T>(operation: () => Promise<T>): Promise<T> {
    const { wiping } = store
    const inTurn = wiping === undefined ? operation : () => wiping.then(operation)
    const call = coded(directory, inTurn).finally(() => {
      underWay.delete(call)
    })
    underWay.add(call)
    return call
  }

  async function whenOpen<T>(operation: () => Promise<T>): Promise<T> {
    requireOpen(store)
    return await operation()
  }

  /** What was called before a wipe comes before it, what is called later comes after it. */
  function wipeAlone(keep: readonly KeptNote[]): Promise<void> {
    const earlier = [...underWay, appender.idle()]
    const call = run(async () => {
      requireOpen(store)
      const kept = keep.map(({ name, bytes }) => ({ name, bytes: bytes.slice() }))
      for (const { name, bytes } of kept) {
        checkNoteName(name)
        checkNote(bytes)
      }
      await Promise.allSettled(earlier)
      while (tidying !== undefined) await tidying
      await wipe(store, kept)
      store.notify()
    })
    const wiping = call
      .catch(() => undefined)
      .finally(() => {
        if (store.wiping === wiping) store.wiping = undefined
      })
    store.wiping = wiping
    return call
  }

  /** Saves the next opening its work; without it, the log says the same. */
  async function checkpoint(): Promise<void> {
    const { current } = writer
    if (current === undefined && recovered.source.checkpoint) return
    try {
      await outdated
      catalog.index.abandonLeases(clock())
      const where = {
        generation: current === undefined ? recovered.generation : owner.generation,
        nextSequence: store.nextSequence,
        last: current === undefined ? recovered.previous : { segment: current.segment, end: current.size },
      }
      await writeCheckpoint(fs, directory, contentOf(catalog, files, where, clock()))
    } catch {
      // Everything is durable without it.
    }
  }

  async function close(): Promise<void> {
    store.closed = true
    listeners.clear()
    try {
      await Promise.allSettled(underWay)
      store.ahead.clear()
      await appender.idle()
      await tidying
      await writer.sync()
      if (writer.current !== undefined) {
        // It vouches for everything before it: what is damaged later was not torn by a crash.
        writer.push({ type: CLOSE, sequence: 0, at: clock(), meta: () => undefined })
      }
      if (await writer.close()) await checkpoint()
    } catch (error) {
      await writer.abandon()
      throw error
    } finally {
      await spares.close()
      await files.close()
      await owner.release()
    }
  }

  return {
    supports: supportsOf(fs),
    recovery: {
      cutBytes: recovered.cutBytes,
      quarantined: recovered.lost.map((entry) => entry.sequence),
      doubtful: recovered.doubtful,
      source: recovered.source,
    },
    append: appender.append,
    lease: (request) => run(() => lease(store, request)),
    mark: (held, attempts) => run(() => mark(store, held, attempts)),
    renew: async (held, ttlMs) => {
      requireOpen(store)
      catalog.index.renew(held.id, ttlMs, clock())
    },
    settle: (held, settlements) => run(() => settle(store, held, settlements)),
    read: (sequence) => run(() => whenOpen(() => readEntry(store, sequence))),
    list: (query) => run(() => whenOpen(() => readPage(store, query))),
    decide: (sequence, decision) => run(() => decide(store, sequence, decision)),
    notes: {
      get: (name) => run(() => notes.get(name)),
      put: (name, bytes, expectedVersion) => run(() => notes.put(name, bytes, expectedVersion)),
      names: () => run(() => notes.names()),
    },
    watch: (listener) => {
      requireOpen(store)
      // A wrapper of its own: the same function may watch twice, and each watch ends alone.
      const call = (): void => listener()
      listeners.add(call)
      return () => {
        listeners.delete(call)
      }
    },
    hurry: async () => {
      requireOpen(store)
      catalog.index.hurry(clock())
      store.notify()
    },
    stats: async () => {
      requireOpen(store)
      return catalog.index.stats(clock())
    },
    wipe: wipeAlone,
    sync: async () => {
      requireOpen(store)
      await writer.sync()
    },
    close: () => (closing ??= close()),
  }
}

function follow(catalog: Catalog, files: SegmentFiles, info: SegmentInfo): void {
  const facts = {
    get size() {
      return info.size
    },
    total: 0,
    live: 0,
  }
  catalog.segments.set(info.segment, facts)
  files.set(info.segment, { seed: info.seed, end: () => info.size })
}
