import type { QueueError } from './errors.js'
import { steadyClock } from './internal/steady-clock.js'
import { keyIndex, type KeyIndex } from './lane-index/key-index.js'
import { laneIndex } from './lane-index/lane-index.js'
import type { IndexedEntry, LaneIndex, Retention } from './lane-index/types.js'
import { noteConflict, queueFull, storageClosed } from './refusals.js'
import type {
  Appended,
  Entry,
  EntryDraft,
  EntrySummary,
  KeptNote,
  Lease,
  LeasedEntry,
  QueueStorage,
  StorageSupport,
  StoredNote,
} from './storage-port.js'
import {
  checkDecision,
  checkDrafts,
  checkLeaseRequest,
  checkMarks,
  checkNote,
  checkNoteName,
} from './validate.js'

/** When a storage refuses more. */
export interface QueueLimits {
  /** Waiting and dead entries. Default 1,000,000. */
  readonly entries?: number
  /** Payload bytes of waiting and dead entries. Default 2 GiB. */
  readonly bytes?: number
}

/** Options of `memoryStorage`. */
export interface MemoryStorageOptions {
  /** Milliseconds; see `steadyClock`. Default `performance.now`. */
  readonly now?: () => number
  readonly limits?: QueueLimits
  /** How long delivered and discarded entries are remembered. Default 30 days or 100,000. */
  readonly receipts?: Partial<Retention>
}

interface Stored {
  readonly key: string
  header: Uint8Array
  payload: Uint8Array | undefined
  note: Uint8Array | undefined
}

/** What several handles of one memory store share. */
export interface MemoryData {
  readonly now: () => number
  readonly limits: Required<QueueLimits>
  readonly retention: Retention
  index: LaneIndex
  readonly keys: KeyIndex
  readonly records: Map<number, Stored>
  readonly notes: Map<string, StoredNote>
  readonly listeners: Set<() => void>
}

const day = 24 * 60 * 60 * 1000

/** Lease ids are unique for ever. */
function freshOwner(): string {
  return crypto.getRandomValues(new Uint32Array(2)).join('-')
}

export function memoryData(options: MemoryStorageOptions = {}): MemoryData {
  const records = new Map<number, Stored>()
  return {
    now: steadyClock(options.now ?? (() => performance.now())).now,
    limits: {
      entries: options.limits?.entries ?? 1_000_000,
      bytes: options.limits?.bytes ?? 2 * 1024 ** 3,
    },
    retention: {
      maxAgeMs: options.receipts?.maxAgeMs ?? 30 * day,
      maxCount: options.receipts?.maxCount ?? 100_000,
    },
    index: laneIndex({ owner: freshOwner() }),
    keys: keyIndex((sequence) => records.get(sequence)?.key),
    records,
    notes: new Map(),
    listeners: new Set(),
  }
}

/**
 * A queue storage that lives as long as the process: for tests, for queues that need not outlive their page,
 * and as the reference that every other adapter is compared with.
 */
export function memoryStorage(options: MemoryStorageOptions = {}): QueueStorage {
  return memoryHandle(memoryData(options), {
    durability: 'memory',
    appenders: 'one',
    drainers: 'one',
    evictable: true,
  })
}

function tooMany({ limits }: MemoryData, entries: number, bytes: number): QueueError {
  return queueFull(
    `the queue would hold ${entries} of ${limits.entries} entries and ${bytes} of ${limits.bytes} bytes`,
  )
}

function checkRoom(data: MemoryData, drafts: readonly EntryDraft[]): void {
  const stats = data.index.stats(data.now())
  const entries = stats.waiting + stats.dead + drafts.length
  const bytes = drafts.reduce((sum, draft) => sum + draft.payload.length, stats.bytes)
  if (entries > data.limits.entries || bytes > data.limits.bytes) throw tooMany(data, entries, bytes)
}

/** Which drafts are new; those that `once` knows already, also from the same call, are not. */
function findDuplicates(keys: KeyIndex, drafts: readonly EntryDraft[]): (number | EntryDraft | undefined)[] {
  const first = new Map<string, EntryDraft>()
  return drafts.map((draft) => {
    const known = draft.once === true ? (keys.find(draft.key) ?? first.get(draft.key)) : undefined
    if (!first.has(draft.key)) first.set(draft.key, draft)
    return known
  })
}

function appendAll(data: MemoryData, drafts: readonly EntryDraft[]): Appended[] {
  checkDrafts(drafts, data.index.lastSequence)
  forgetOld(data)
  const known = findDuplicates(data.keys, drafts)
  checkRoom(
    data,
    drafts.filter((_, position) => known[position] === undefined),
  )
  const now = data.now()
  const added = new Map<EntryDraft, number>()
  return drafts.map((draft, position) => {
    const twin = known[position]
    if (twin !== undefined) {
      return { sequence: typeof twin === 'number' ? twin : (added.get(twin) ?? 0), duplicate: true }
    }
    const sequence = data.index.lastSequence + 1
    const { lane, gate, after = [] } = draft
    data.index.add({ sequence, lane, gate, after, payloadBytes: draft.payload.length, appendedAt: now }, now)
    data.keys.add(draft.key, sequence)
    data.records.set(sequence, {
      key: draft.key,
      header: draft.header.slice(),
      payload: draft.payload.slice(),
      note: undefined,
    })
    added.set(draft, sequence)
    return { sequence, duplicate: false }
  })
}

function forgetOld(data: MemoryData): void {
  for (const sequence of data.index.retire(data.retention, data.now())) {
    const record = data.records.get(sequence)
    if (record !== undefined) data.keys.remove(record.key, sequence)
    data.records.delete(sequence)
  }
}

function summary(entry: IndexedEntry, record: Stored): EntrySummary {
  const { location: _location, troubledForMs: _troubled, markOpen: _open, mark, ...rest } = entry
  const note = record.note?.slice()
  return {
    ...rest,
    ...(entry.state === 'unknown' && mark !== undefined ? { mark } : {}),
    key: record.key,
    header: record.header.slice(),
    ...(note === undefined ? {} : { note }),
  }
}

function leasedEntry(data: MemoryData, sequence: number): LeasedEntry | undefined {
  const record = data.records.get(sequence)
  const entry = data.index.entry(sequence, data.now())
  if (record?.payload === undefined || entry === undefined) return undefined
  const { troubledForMs, mark } = entry
  return {
    sequence,
    key: record.key,
    header: record.header.slice(),
    payload: record.payload.slice(),
    state: entry.state === 'unknown' ? 'unknown' : 'waiting',
    attempts: entry.attempts,
    ageMs: entry.ageMs,
    ...(troubledForMs === undefined ? {} : { troubledForMs }),
    ...(entry.state === 'unknown' && mark !== undefined ? { mark } : {}),
    ...(record.note === undefined ? {} : { note: record.note.slice() }),
  }
}

function putNote(data: MemoryData, name: string, bytes: Uint8Array, expectedVersion: number): number {
  checkNoteName(name)
  checkNote(bytes)
  const version = data.notes.get(name)?.version ?? 0
  if (version !== expectedVersion) throw noteConflict(version, expectedVersion)
  data.notes.set(name, { bytes: bytes.slice(), version: version + 1 })
  return version + 1
}

function wipe(data: MemoryData, keep: readonly KeptNote[]): void {
  for (const { name, bytes } of keep) {
    checkNoteName(name)
    checkNote(bytes)
  }
  const { accepted, delivered } = data.index.stats(data.now())
  const index = laneIndex({ owner: freshOwner(), lastSequence: data.index.lastSequence })
  index.restoreForgotten({ delivered, discarded: accepted - delivered })
  data.index = index
  for (const [sequence, { key }] of data.records) data.keys.remove(key, sequence)
  data.records.clear()
  data.notes.clear()
  for (const { name, bytes } of keep) data.notes.set(name, { bytes: bytes.slice(), version: 1 })
}

/** One handle on memory data; several handles behave like several processes on one store. */
export function memoryHandle(data: MemoryData, supports: StorageSupport): QueueStorage {
  const { records } = data
  const own = new Set<() => void>()
  /** Leases of this handle, and how many entries of each are left. */
  const held = new Map<string, number>()
  let closed = false

  function open(): void {
    if (closed) throw storageClosed()
  }

  function notify(): void {
    const listeners = [...data.listeners]
    for (const listener of listeners) listener()
  }

  return {
    supports,
    async append(drafts) {
      open()
      const appended = appendAll(data, drafts)
      notify()
      return appended
    },
    async lease(request) {
      open()
      checkLeaseRequest(request)
      const taken = data.index.lease(request, data.now())
      if (!('sequences' in taken)) return taken
      const { sequences, ...lease } = taken
      held.set(lease.id, sequences.length)
      const entries = sequences.map((sequence) => leasedEntry(data, sequence))
      return { ...lease, entries: entries.filter((entry) => entry !== undefined) } satisfies Lease
    },
    async mark(lease, notes) {
      open()
      checkMarks(notes)
      data.index.mark(lease.id, notes, data.now())
    },
    async renew(lease, ttlMs) {
      open()
      data.index.renew(lease.id, ttlMs, data.now())
    },
    async settle(lease, settlements) {
      open()
      for (const settlement of settlements) checkNote(settlement.note)
      data.index.settle(lease.id, settlements, data.now())
      const left = (held.get(lease.id) ?? 0) - settlements.length
      if (left > 0) held.set(lease.id, left)
      else held.delete(lease.id)
      for (const { sequence, note, outcome } of settlements) {
        const record = records.get(sequence)
        if (record === undefined) continue
        if (note !== undefined) record.note = note.slice()
        if (outcome === 'delivered') record.payload = undefined
      }
      notify()
    },
    async read(sequence) {
      open()
      const entry = data.index.entry(sequence, data.now())
      const record = records.get(sequence)
      if (entry === undefined || record === undefined) return undefined
      const payload = record.payload?.slice()
      return { ...summary(entry, record), ...(payload === undefined ? {} : { payload }) } satisfies Entry
    },
    async list(query) {
      open()
      const now = data.now()
      return data.index.list(query, now).flatMap((sequence) => {
        const entry = data.index.entry(sequence, now)
        const record = records.get(sequence)
        return entry === undefined || record === undefined ? [] : [summary(entry, record)]
      })
    },
    async decide(sequence, decision) {
      open()
      checkDecision(decision)
      const { payload, header } = decision.kind === 'redrive' ? decision : {}
      const record = records.get(sequence)
      data.index.decide(
        sequence,
        decision.kind,
        data.now(),
        payload === undefined ? {} : { payloadBytes: payload.length },
      )
      if (record !== undefined) {
        record.note = decision.note.slice()
        if (header !== undefined) record.header = header.slice()
        if (payload !== undefined) record.payload = payload.slice()
        if (decision.kind !== 'redrive') record.payload = undefined
      }
      notify()
    },
    notes: {
      async get(name) {
        open()
        checkNoteName(name)
        const note = data.notes.get(name)
        return note === undefined ? undefined : { bytes: note.bytes.slice(), version: note.version }
      },
      async put(name, bytes, expectedVersion) {
        open()
        return putNote(data, name, bytes, expectedVersion)
      },
      async names() {
        open()
        return [...data.notes.keys()]
      },
    },
    watch(listener) {
      open()
      // A wrapper of its own: the same function may watch twice, and each watch ends alone.
      const call = (): void => listener()
      data.listeners.add(call)
      own.add(call)
      return () => {
        data.listeners.delete(call)
        own.delete(call)
      }
    },
    async hurry() {
      open()
      data.index.hurry(data.now())
      notify()
    },
    async wipe(keep) {
      open()
      wipe(data, keep)
      notify()
    },
    async stats() {
      open()
      return data.index.stats(data.now())
    },
    async sync() {
      open()
    },
    async close() {
      if (closed) return
      closed = true
      data.index.abandonLeases(data.now(), [...held.keys()])
      notify()
      for (const listener of own) data.listeners.delete(listener)
      own.clear()
    },
  }
}
