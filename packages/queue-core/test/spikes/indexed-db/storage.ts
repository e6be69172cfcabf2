import {
  checkDrafts,
  checkLeaseRequest,
  checkMarks,
  checkNote,
  QueueError,
  type Decision,
  type Lease,
  type QueueStorage,
  type Settlement,
} from '@fhir-outbox/queue-core'
import {
  appendAll,
  decideOne,
  dropExpired,
  hurryAll,
  markEntries,
  renewLease,
  settleAll,
  takeLease,
  wipeAll,
  type Commit,
} from './calls.js'
import { everything, openDatabase, readMeta, type Reading } from './database.js'
import type { Locks } from './locks.js'
import { catchUp, leasedElsewhere, loadView, summaryOf, type View } from './view.js'

export interface IndexedDbSpike extends QueueStorage {
  /** The tab is gone without a word. */
  die(): void
}

export interface IndexedDbSpikeOptions {
  readonly name: string
  readonly locks: Locks
  readonly now?: () => number
}

function leaseLost(): QueueError {
  return new QueueError('ERR_LEASE_LOST', 'another tab delivers now', {
    hint: 'Drop the result: whoever holds the lane now will find out about these entries.',
  })
}

function translated(error: unknown): unknown {
  if (error instanceof QueueError) return error
  const full = error instanceof Error && error.name === 'QuotaExceededError'
  return new QueueError(full ? 'ERR_QUEUE_FULL' : 'ERR_STORAGE_FAILED', 'the database refused', {
    hint: full
      ? 'Nothing was stored. Deliver or discard entries first.'
      : 'Nothing was changed. See the cause.',
    cause: error,
  })
}

/**
 * A copy that the caller cannot change any more. Not `structuredClone`: it copies the whole buffer behind a
 * view, so that the database would keep bytes that were never handed over.
 */
function owned<Value>(value: Value): Value
function owned(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice()
  if (Array.isArray(value)) return value.map((item) => owned(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([member, inner]) => [member, owned(inner)]))
}

function checkedCopy<Value extends Settlement | Decision>(value: Value): Value {
  checkNote(value.note)
  return owned(value)
}

/**
 * A throw-away adapter that shows that the port and `laneIndex` fit a browser: any number of tabs append, the
 * one that holds the Web Lock drains, and the next one takes over when it is gone.
 */
export async function openIndexedDbSpike(options: IndexedDbSpikeOptions): Promise<IndexedDbSpike> {
  const { name, locks, now: clock = Date.now } = options
  const database = await openDatabase(name)
  const channel = new BroadcastChannel(`spike ${name}`)
  const listeners = new Set<() => void>()
  const running = new Set<Promise<unknown>>()
  const waiting = new AbortController()
  let view: View | undefined
  let mayDrain = false
  let release: (() => void) | undefined
  let ended = false
  let closing: Promise<void> | undefined

  function tellHere(): void {
    for (const listener of Array.from(listeners)) listener()
  }
  channel.addEventListener('message', tellHere)

  function tell(): void {
    tellHere()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    if (!ended) channel.postMessage('')
  }

  /** The view as the transaction sees the database. */
  async function viewFor(transaction: Reading | Commit['transaction']): Promise<Omit<Commit, 'transaction'>> {
    const meta = await readMeta(transaction)
    const now = Math.max(meta.clock, clock())
    if (view?.generation !== undefined) {
      if (view.generation !== meta.generation) view = undefined
      else await catchUp(transaction, view, meta)
    } else if (view?.version !== meta.version || view.leases.some(({ expiresAt }) => expiresAt <= now)) {
      view = undefined
    }
    view ??= await loadView(transaction, meta, now)
    return { view, meta, now }
  }

  function track<Result>(work: Promise<Result>): Promise<Result> {
    running.add(work)
    return work.finally(() => running.delete(work))
  }

  function alive(): void {
    if (!ended && closing === undefined) return
    throw new QueueError('ERR_STORAGE_CLOSED', 'the storage is closed', { hint: 'Open it again.' })
  }

  async function read<Result>(
    body: (transaction: Reading, seen: Omit<Commit, 'transaction'>) => Promise<Result>,
  ): Promise<Result> {
    alive()
    const work = async (): Promise<Result> => {
      const transaction = database.transaction(everything, 'readonly')
      const result = await body(transaction, await viewFor(transaction))
      await transaction.done
      return result
    }
    return await track(work()).catch((error: unknown) => {
      throw translated(error)
    })
  }

  async function commitOnce<Result>(
    durability: 'strict' | 'relaxed',
    body: (commit: Commit) => Promise<Result>,
  ): Promise<Result> {
    const transaction = database.transaction(everything, 'readwrite', { durability })
    const done = transaction.done.then(
      () => undefined,
      (error: unknown) => error ?? new Error('aborted'),
    )
    try {
      const commit: Commit = { transaction, ...(await viewFor(transaction)) }
      const result = await body(commit)
      const version = commit.meta.version + 1
      await transaction.objectStore('meta').put({ ...commit.meta, version, clock: commit.now }, 'meta')
      commit.view.version = version
      const failure = await done
      if (failure !== undefined) throw failure
      return result
    } catch (error) {
      // The rules refuse before they change anything; after any other failure memory may be ahead of the disk.
      if (!(error instanceof QueueError)) view = undefined
      try {
        transaction.abort()
      } catch {
        // It has ended by itself.
      }
      await done
      throw translated(error)
    }
  }

  async function change<Result>(
    durability: 'strict' | 'relaxed',
    body: (commit: Commit) => Promise<Result>,
  ): Promise<Result> {
    alive()
    const result = await track(commitOnce(durability, body))
    tell()
    return result
  }

  /** A call that only the drainer can make. A view that was lost takes its leases with it. */
  async function drain<Result>(
    durability: 'strict' | 'relaxed',
    body: (commit: Commit) => Promise<Result>,
  ): Promise<Result> {
    alive()
    if (!mayDrain) throw leaseLost()
    return await track(
      commitOnce(durability, async (commit) => {
        if (commit.view.generation === undefined) throw leaseLost()
        return await body(commit)
      }),
    )
  }

  async function takeOver(): Promise<void> {
    await commitOnce('relaxed', async (commit) => {
      const generation = commit.meta.generation + 1
      commit.meta = { ...commit.meta, generation }
      await commit.transaction.objectStore('leases').clear()
      await commit.transaction.objectStore('news').clear()
      view = await loadView(
        commit.transaction,
        { ...commit.meta, version: commit.meta.version + 1 },
        commit.now,
        generation,
      )
    })
  }

  async function hold(lock: unknown): Promise<void> {
    if (lock === null || ended || closing !== undefined) return
    await track(takeOver())
    mayDrain = true
    tell()
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    opened()
    await released
  }

  let opened = (): void => undefined
  const ready = new Promise<void>((resolve) => {
    opened = resolve
  })
  const lockName = `spike ${name}`
  const first = locks.request(lockName, { ifAvailable: true }, hold)
  await Promise.race([ready, first])
  const second = mayDrain
    ? first
    : locks.request(lockName, { signal: waiting.signal }, hold).catch(() => undefined)

  function letGo(): void {
    mayDrain = false
    ended = true
    waiting.abort()
    release?.()
    listeners.clear()
    channel.close()
    database.close()
  }

  async function end(): Promise<void> {
    await Promise.allSettled(running)
    if (!ended) await commitOnce('strict', async () => undefined)
    letGo()
    await Promise.all([first, second])
  }

  return {
    supports: { durability: 'process-crash', appenders: 'many', drainers: 'one', evictable: true },
    async append(drafts) {
      checkDrafts(drafts, Number.MAX_SAFE_INTEGER)
      const copies = owned(drafts)
      return await change('strict', (commit) => appendAll(commit, copies))
    },
    async lease(request) {
      alive()
      checkLeaseRequest(request)
      if (!mayDrain) return {}
      if (view?.generation === undefined) await track(takeOver())
      return await drain('relaxed', async (commit) => {
        await dropExpired(commit)
        return await takeLease(commit, request)
      })
    },
    async mark(lease, notes) {
      checkMarks(notes)
      const copies = owned(notes)
      await drain('strict', (commit) => markEntries(commit, lease, copies))
    },
    renew: (lease, ttlMs) => drain('relaxed', (commit) => renewLease(commit, lease, ttlMs)),
    async settle(lease: Lease, settlements) {
      const copies = settlements.map(checkedCopy)
      await drain('relaxed', (commit) => settleAll(commit, lease, copies))
      tell()
    },
    read: (sequence) =>
      read(async (transaction, seen) => {
        const row = await transaction.objectStore('entries').get(sequence)
        const summary = row && summaryOf(seen.view, row, seen.now)
        if (summary === undefined) return undefined
        const payload = await transaction.objectStore('payloads').get(sequence)
        return { ...summary, ...(payload === undefined ? {} : { payload }) }
      }),
    list: (query) =>
      read(async (transaction, seen) => {
        const sequences = seen.view.index.list(query, seen.now)
        const rows = await Promise.all(sequences.map((one) => transaction.objectStore('entries').get(one)))
        return rows.flatMap((row) => (row && summaryOf(seen.view, row, seen.now)) ?? [])
      }),
    async decide(sequence, decision) {
      const copy = checkedCopy(decision)
      const { payload, header } = copy.kind === 'redrive' ? copy : {}
      const empty = new Uint8Array(0)
      checkDrafts([{ lane: '', gate: '', key: 'k', header: header ?? empty, payload: payload ?? empty }], 0)
      await change('strict', (commit) => decideOne(commit, sequence, copy))
    },
    notes: {
      names: () => read((transaction) => transaction.objectStore('notes').getAllKeys()),
      get: (note) => read((transaction) => transaction.objectStore('notes').get(note)),
      async put(note, bytes, expectedVersion) {
        checkNote(bytes)
        const copy = bytes.slice()
        return await change('strict', async ({ transaction }) => {
          const store = transaction.objectStore('notes')
          const version = (await store.get(note))?.version ?? 0
          if (version !== expectedVersion) {
            throw new QueueError(
              'ERR_NOTE_CONFLICT',
              `the note has version ${version}, not ${expectedVersion}`,
              {
                hint: 'Read the note again, apply the change to what it says now, and put it with that version.',
              },
            )
          }
          await store.put({ bytes: copy, version: version + 1 }, note)
          return version + 1
        })
      },
    },
    watch(listener) {
      alive()
      const own = (): void => listener()
      listeners.add(own)
      return () => listeners.delete(own)
    },
    hurry: () => change('strict', hurryAll),
    async wipe(keep) {
      for (const { bytes } of keep) checkNote(bytes)
      const copies = owned(keep)
      await change('strict', async (commit) => {
        await wipeAll(commit, copies)
        view = undefined
      })
    },
    stats: () =>
      read(async (_transaction, { view: seen, now }) => {
        const stats = seen.index.stats(now)
        return { ...stats, leased: stats.leased + leasedElsewhere(seen).size }
      }),
    async sync() {
      alive()
      await track(commitOnce('strict', async () => undefined))
    },
    close: () => (closing ??= end()),
    die: letGo,
  }
}
