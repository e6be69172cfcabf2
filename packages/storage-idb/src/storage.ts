import {
  checkDecision,
  checkDrafts,
  checkLeaseRequest,
  checkMarks,
  checkNote,
  checkNoteName,
  noteConflict,
  steadyClock,
  storageClosed,
  type KeptNote,
  type QueueError,
  type QueueLimits,
  type QueueStorage,
  type Retention,
} from '@fhir-outbox/queue-core'
import { movedOn, takenAway, translated } from './errors.js'
import { appending } from './internal/append.js'
import { createBell } from './internal/bell.js'
import { createCommits, type Latest, type Operation } from './internal/commits.js'
import { openDatabase } from './internal/database.js'
import { decideOne } from './internal/decide.js'
import { createDrainer } from './internal/drainer.js'
import { createListeners } from './internal/listeners.js'
import { owned } from './internal/owned.js'
import { recordsIn } from './internal/records.js'
import { drainRight, type Locks } from './internal/right.js'
import { askToPersist, limitsWithin } from './internal/room.js'
import { get, getAll, getKeys, getMeta, put, reading } from './internal/requests.js'
import { statsOf } from './internal/stats.js'
import { listPage, readOne, type Snapshot } from './internal/summary.js'
import { wipeAll } from './internal/wipe.js'

/** Options of `openIdbStorage`. */
export interface IdbStorageOptions {
  /** Name of the IndexedDB database; nothing else may use it. */
  readonly name: string
  /** When to refuse more. Default: 1,000,000 entries, and half of the site's quota up to 2 GiB. */
  readonly limits?: QueueLimits
  /** How long delivered and discarded entries are remembered. Default: 30 days or 100,000. */
  readonly receipts?: Partial<Retention>
  /** Ask the browser to keep the site's data when space runs out. Default `true`. */
  readonly persist?: boolean
  /**
   * An old tab keeps the database from being upgraded: ask the person to close it; opening goes on when that
   * happened. Without it, opening rejects with `ERR_STORAGE_LOCKED`.
   */
  readonly onBlocked?: () => void
  /** Gives opening up. */
  readonly signal?: AbortSignal
  /** Default `navigator.locks`; `null` for a lease in the database instead. */
  readonly locks?: Locks | null
  /** Milliseconds; may be set back. Default `Date.now`. */
  readonly now?: () => number
}

/** What a handle tells about itself. */
export type IdbStorageEvent =
  /** This handle may lease from now on, and no other does. */
  | { readonly type: 'draining' }
  /**
   * Calls are refused with `error` from now on. `upgrade`: reload the page. `closed-by-browser`, also when the database
   * is being deleted: open it again.
   */
  | { readonly type: 'lost'; readonly reason: 'upgrade' | 'closed-by-browser'; readonly error: QueueError }

/** A queue storage in IndexedDB, shared by all tabs and workers of a site. */
export interface IdbStorage extends QueueStorage {
  /** Calls the listener with every event. Returns the way to stop. */
  subscribe(listener: (event: IdbStorageEvent) => void): () => void
}

const dayMs = 24 * 60 * 60 * 1000
const pollMs = 2000

function platformLocks(): Locks | undefined {
  return globalThis.navigator?.locks
}

/**
 * Opens a queue in IndexedDB, or creates it. Every tab and worker may open it and append, read, list and decide;
 * the first one that leases drains until it is closed or gone, then the next one that wanted to.
 *
 * Rejects with `ERR_UNSUPPORTED` (no IndexedDB), `ERR_STORAGE_LOCKED` (an upgrade is blocked),
 * `ERR_STORAGE_FORMAT` (newer, or not an outbox), `ERR_QUEUE_FULL` (no room to create it) or `ERR_STORAGE_FAILED`; the
 * database is untouched then.
 */
export async function openIdbStorage(options: IdbStorageOptions): Promise<IdbStorage> {
  const { name, receipts = {}, persist = true } = options
  // Also where a page is not secure and there is no `randomUUID`.
  const id = crypto.getRandomValues(new Uint32Array(4)).join('-')
  const clock = steadyClock(options.now ?? (() => Date.now()))
  const retention: Retention = {
    maxAgeMs: receipts.maxAgeMs ?? 30 * dayMs,
    maxCount: receipts.maxCount ?? 100_000,
  }
  const subscribers = createListeners<IdbStorageEvent>()
  const running = new Set<Promise<unknown>>()
  let evictable = true
  let refusal: QueueError | undefined
  let closing: Promise<void> | undefined

  const [limits] = await Promise.all([
    limitsWithin(options.limits ?? {}),
    askToPersist(persist, () => {
      evictable = false
    }),
  ])
  // Whoever wants the database from now on is answered: nothing is awaited before everything below is made.
  const database = await openDatabase({
    name,
    onBlocked: options.onBlocked,
    signal: options.signal,
    onWanted: () => void lose('upgrade', movedOn()),
    onGone: () => void lose('closed-by-browser', takenAway()),
  })

  function seen(time: number): number {
    clock.reach(time)
    return clock.now()
  }

  const latest: Latest = { meta: undefined, writing: 0 }
  const appends = createCommits({ database, latest, now: seen, repeatable: true })
  const bell = createBell({
    heard() {
      latest.meta = undefined
      drainer.outdate()
    },
    name: `fhir-outbox ${name}`,
    pollMs,
    version: async () => (await getMeta(reading(database)))?.version ?? 0,
  })
  const locks = options.locks === undefined ? platformLocks() : (options.locks ?? undefined)
  const right = drainRight(locks, `fhir-outbox ${name}`, {
    gained() {
      subscribers.tell({ type: 'draining' })
      bell.ring()
    },
    lost: () => drainer.drop(),
  })
  const drainer = createDrainer({
    database,
    latest,
    id,
    right,
    retention,
    alive,
    now: seen,
    hears: bell.hears,
  })

  function alive(): void {
    if (refusal !== undefined) throw refusal
  }

  /** Lets close wait for calls that came before it. */
  function track<Result>(work: Promise<Result>): Promise<Result> {
    const tracked = work.finally(() => running.delete(tracked))
    running.add(tracked)
    return tracked
  }

  async function read<Result>(body: (snapshot: Snapshot) => Promise<Result>): Promise<Result> {
    alive()
    const work = async (): Promise<Result> => {
      const transaction = reading(database)
      const [meta, leases] = await Promise.all([getMeta(transaction), getAll(transaction, 'leases')])
      if (meta === undefined) throw takenAway()
      return await body({ transaction, records: recordsIn(transaction), meta, leases, now: seen(meta.clock) })
    }
    try {
      return await track(work())
    } catch (error) {
      throw refusal ?? translated(error)
    }
  }

  /** `tell`: who is to know that something has changed. */
  async function commit<Result>(
    through: typeof appends,
    operation: Operation<Result>,
    tell: 'all' | 'others' | 'nobody',
  ): Promise<Result> {
    alive()
    try {
      const result = await track(through.submit(operation))
      if (through === appends) drainer.outdate()
      if (tell !== 'nobody') bell.ring(tell === 'others')
      return result
    } catch (error) {
      throw refusal ?? error
    }
  }

  async function onQueue(run: Parameters<typeof drainer.onQueue>[0]): Promise<void> {
    await commit(drainer.commits, drainer.onQueue(run), 'all')
  }

  /** Everything that was called is over, and nothing is held any more. */
  async function finished(): Promise<void> {
    await Promise.allSettled(running)
    try {
      await drainer.handOver()
    } catch {
      // Whoever comes next takes over what this one held.
    }
    await Promise.all([appends.idle(), drainer.commits.idle()])
  }

  async function end(error: QueueError): Promise<void> {
    refusal = error
    await finished()
    bell.ring(true)
    bell.close()
    database.close()
    drainer.drop()
    await right.release()
  }

  async function lose(reason: 'upgrade' | 'closed-by-browser', error: QueueError): Promise<void> {
    if (closing !== undefined) return
    closing = end(error)
    subscribers.tell({ type: 'lost', reason, error })
    await closing
  }

  try {
    await drainer.tidy()
  } catch (error) {
    await end(storageClosed())
    throw translated(error)
  }

  return {
    supports: {
      durability: 'process-crash',
      appenders: 'many',
      drainers: 'one',
      get evictable() {
        return evictable
      },
    },
    async append(drafts) {
      alive()
      checkDrafts(drafts, Number.MAX_SAFE_INTEGER)
      return await commit(appends, appending(owned(drafts), limits), 'all')
    },
    async lease(request) {
      alive()
      checkLeaseRequest(request)
      try {
        const answer = await track(drainer.lease(request))
        if ('entries' in answer) bell.ring(true)
        return answer
      } catch (error) {
        throw refusal ?? translated(error)
      }
    },
    async mark(held, notes) {
      alive()
      checkMarks(notes)
      // Nothing that others can see has changed.
      await commit(drainer.commits, drainer.mark(held, owned(notes)), 'nobody')
    },
    async renew(held, ttlMs) {
      await commit(drainer.commits, drainer.renew(held, ttlMs), 'nobody')
    },
    async settle(held, settlements) {
      alive()
      for (const { note } of settlements) checkNote(note)
      await commit(drainer.commits, drainer.settle(held, owned(settlements)), 'all')
    },
    read: (sequence) => read((snapshot) => readOne(snapshot, sequence)),
    list: (query) => read((snapshot) => listPage(snapshot, query)),
    async decide(sequence, decision) {
      alive()
      checkDecision(decision)
      const copy = owned(decision)
      await onQueue(async (one, current) => {
        // The index may have leased an entry that has no record of it yet: refused before anything is written.
        current?.index.checkDecision(sequence, copy.kind, one.now)
        const payloadBytes = await decideOne(one, sequence, copy)
        const { kind } = copy
        if (current === undefined)
          put(one.transaction, 'news', { sequence, kind, payloadBytes }, ++one.meta.news)
        else current.index.decide(sequence, kind, one.now, { payloadBytes })
      })
    },
    notes: {
      async get(note) {
        alive()
        checkNoteName(note)
        return await read(({ transaction }) => get(transaction, 'notes', note))
      },
      async put(note, bytes, expectedVersion) {
        alive()
        checkNoteName(note)
        checkNote(bytes)
        const copy = owned(bytes)
        return await commit(
          appends,
          {
            strict: true,
            async run({ transaction }) {
              const version = (await get(transaction, 'notes', note))?.version ?? 0
              if (version !== expectedVersion) throw noteConflict(version, expectedVersion)
              put(transaction, 'notes', { bytes: copy, version: version + 1 }, note)
              return version + 1
            },
          },
          'others',
        )
      },
      names: () => read(({ transaction }) => getKeys(transaction, 'notes')),
    },
    watch(listener) {
      alive()
      return bell.watch(listener)
    },
    async hurry() {
      await onQueue((one, current) => {
        one.meta.epoch++
        if (current === undefined) return
        current.index.hurry(one.now)
        current.epoch = one.meta.epoch
      })
    },
    async wipe(keep: readonly KeptNote[]) {
      alive()
      for (const note of keep) {
        checkNoteName(note.name)
        checkNote(note.bytes)
      }
      const copies = owned(keep)
      await onQueue((one) => wipeAll(one, copies))
      drainer.drop()
    },
    stats: () => read(async (snapshot) => statsOf(snapshot)),
    async sync() {
      alive()
      await Promise.all([appends.idle(), drainer.commits.idle()])
    },
    close: () => (closing ??= end(storageClosed())),
    subscribe: (listener) => subscribers.add(listener),
  }
}
