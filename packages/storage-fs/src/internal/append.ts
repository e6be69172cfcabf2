import { type Appended, checkDrafts, type EntryDraft, queueFull } from '@fhir-outbox/queue-core'
import { coded } from '../errors.js'
import { keyHash } from './key-table.js'
import type { NewEntry } from './log-writer.js'
import { RETIRE, writeRetired } from './records.js'
import { readBase } from './read.js'
import type { Room } from './room.js'
import { requireOpen, type Store } from './store.js'

export interface Appender {
  /** As `QueueStorage.append`. */
  append(drafts: readonly EntryDraft[]): Promise<readonly Appended[]>
  /** Resolves when every append so far has reached the writer. */
  idle(): Promise<void>
}

const NOTHING: readonly number[] = []
const ARRIVING_GROUPS = 1024
const NOBODY: ReadonlyMap<string, number> = new Map()

function copied(draft: EntryDraft): EntryDraft {
  return {
    ...draft,
    header: draft.header.slice(),
    payload: draft.payload.slice(),
    ...(draft.after === undefined ? {} : { after: [...draft.after] }),
  }
}

export function createAppender(store: Store, room: Room): Appender {
  const { catalog, writer } = store
  /** Entries that are being written: how many of each group of hashes, and their number and bytes. */
  const arriving = new Uint32Array(ARRIVING_GROUPS)
  let arrivingEntries = 0
  let arrivingBytes = 0
  /** What surely fits without asking again: settlements only make more room. */
  let roomLeft = { entries: 0, bytes: 0 }
  /** Appends that have to look at the disk first; later ones wait behind them, so that order holds. */
  let queue: Promise<unknown> | undefined

  function count(hash: number, by: number): void {
    const group = hash % ARRIVING_GROUPS
    arriving[group] = (arriving[group] ?? 0) + by
  }

  /** The lowest entry with this key that is being written. */
  function arrivingUnder(key: string): number | undefined {
    const hash = keyHash(key)
    if (arriving[hash % ARRIVING_GROUPS] === 0) return undefined
    for (const entry of writer.arriving())
      if (entry.keyHash === hash && entry.key === key) return entry.sequence
    return undefined
  }

  function checkRoom(added: number, bytes: number, now: number): void {
    if (added <= roomLeft.entries && bytes <= roomLeft.bytes) {
      roomLeft.entries -= added
      roomLeft.bytes -= bytes
      return
    }
    const stats = catalog.index.stats(now)
    const { limits } = store
    const entries = stats.waiting + stats.dead + arrivingEntries + added
    const total = stats.bytes + arrivingBytes + bytes
    if (entries <= limits.entries && total <= limits.bytes) {
      // Not all that is left: corrections may make entries larger meanwhile.
      const some = (limit: number, used: number): number => Math.floor((limit - used) / 4)
      roomLeft = { entries: some(limits.entries, entries), bytes: some(limits.bytes, total) }
      return
    }
    throw queueFull(
      `the queue would hold ${entries} of ${limits.entries} entries and ${total} of ${limits.bytes} bytes`,
    )
  }

  /** The lowest known entry with this key that is on disk. */
  async function storedUnder(key: string): Promise<number | undefined> {
    const reader = store.files.reader()
    for (const sequence of catalog.keys.candidates(key)) {
      if (catalog.index.entry(sequence, 0) === undefined) continue
      const found = await readBase(store, reader, sequence, 4096, false)
      if (found?.base.key === key) return sequence
    }
    return undefined
  }

  /** `known`: sequences that `once` found already. Encodes before it returns, so buffers may be reused. */
  function write(
    drafts: readonly EntryDraft[],
    known: ReadonlyMap<string, number>,
    now: number,
  ): Promise<readonly Appended[]> {
    const first = new Map<string, number>()
    const fresh: EntryDraft[] = []
    const entries: NewEntry[] = []
    const appended: Appended[] = []
    let sequence = store.nextSequence
    let bytes = 0
    for (const draft of drafts) {
      const { lane, gate, key, after, once, payload } = draft
      const twin = once === true ? (known.get(key) ?? first.get(key)) : undefined
      if (twin !== undefined) {
        appended.push({ sequence: twin, duplicate: true })
        continue
      }
      if (drafts.length > 1 && !first.has(key)) first.set(key, sequence)
      const payloadBytes = payload.length
      bytes += payloadBytes
      fresh.push(draft)
      entries.push({
        sequence,
        lane,
        gate,
        key,
        keyHash: keyHash(key),
        after: after === undefined ? NOTHING : [...after],
        payloadBytes,
        appendedAt: now,
        location: 0,
      })
      appended.push({ sequence: sequence++, duplicate: false })
    }
    checkRoom(entries.length, bytes, now)
    writer.append(entries, fresh)
    store.nextSequence = sequence
    room.spend(bytes)
    arrivingEntries += entries.length
    arrivingBytes += bytes
    for (const { keyHash: hash } of entries) count(hash, 1)
    return writer.commit(() => {
      // Visible only once durable, and in the order of the log.
      for (const entry of entries) {
        catalog.index.add(entry, now)
        catalog.learn(entry)
        count(entry.keyHash, -1)
      }
      arrivingEntries -= entries.length
      arrivingBytes -= bytes
      store.notify()
      return appended
    })
  }

  async function writeLater(drafts: readonly EntryDraft[]): Promise<readonly Appended[]> {
    const known = new Map<string, number>()
    for (const { key, once } of drafts) {
      if (once !== true || known.has(key)) continue
      // Asked first, because what is arriving now may be stored before the disk has answered.
      const arrivingNow = arrivingUnder(key)
      const sequence = (await storedUnder(key)) ?? arrivingNow
      if (sequence !== undefined) known.set(key, sequence)
    }
    await room.make(drafts)
    // Not `requireOpen`: close waits for what was called before it.
    writer.check()
    return write(drafts, known, store.clock())
  }

  /** Whether somebody asks for a key that may be known. */
  function mustLook(drafts: readonly EntryDraft[]): boolean {
    for (const { once, key } of drafts) {
      if (once !== true) continue
      if ((arriving[keyHash(key) % ARRIVING_GROUPS] ?? 0) > 0 || catalog.keys.candidates(key).length > 0)
        return true
    }
    return false
  }

  async function inTurn(drafts: readonly EntryDraft[]): Promise<readonly Appended[]> {
    const copies = drafts.map(copied)
    const { wiping } = store
    const turn = (queue ?? Promise.resolve()).then(() => wiping).then(() => writeLater(copies))
    const mine = turn.then(
      () => undefined,
      () => undefined,
    )
    queue = mine
    try {
      return await turn
    } finally {
      if (queue === mine) queue = undefined
    }
  }

  return {
    append: (drafts) => {
      try {
        requireOpen(store)
        checkDrafts(drafts, catalog.index.lastSequence)
        if (store.wiping === undefined) {
          const now = store.clock()
          forgetOld(store, now)
          // Nearly always: one promise for each call, and nothing to wait for but the disk.
          const atOnce = queue === undefined && !mustLook(drafts) && room.fits(drafts, now)
          if (atOnce) return write(drafts, NOBODY, now)
        }
        return coded(store.directory, () => inTurn(drafts))
      } catch (error) {
        return Promise.reject(error as Error)
      }
    },
    idle: async () => {
      await queue
    },
  }
}

/** Lets go of settled entries beyond the retention. */
export function forgetOld(store: Store, now: number): void {
  const { catalog, writer } = store
  // Asked at every append, so the answer for a store without receipts must cost nothing.
  if (catalog.extras.size === 0) return
  const sequences = catalog.retire(store.retention, now)
  if (sequences.length === 0) return
  const totals = catalog.forgotten
  writer.push({
    type: RETIRE,
    sequence: 0,
    at: now,
    meta: (into) => writeRetired(into, totals, sequences),
  })
  store.tidy()
}
