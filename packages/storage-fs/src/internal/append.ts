import { type Appended, checkDrafts, type EntryDraft, QueueError } from '@fhir-outbox/queue-core'
import { keyHash } from './key-table.js'
import type { FrameDraft } from './log-writer.js'
import { ENTRY, RETIRE, writeBase, writeRetired } from './records.js'
import { readBase } from './read.js'
import type { Room } from './room.js'
import { requireOpen, type Store } from './store.js'

export type Append = (drafts: readonly EntryDraft[]) => Promise<readonly Appended[]>

interface NewEntry {
  readonly sequence: number
  readonly lane: string
  readonly gate: string
  readonly key: string
  readonly keyHash: number
  readonly after: readonly number[]
  readonly payloadBytes: number
  readonly appendedAt: number
  location: number
}

function copied(draft: EntryDraft): EntryDraft {
  return {
    ...draft,
    header: draft.header.slice(),
    payload: draft.payload.slice(),
    ...(draft.after === undefined ? {} : { after: [...draft.after] }),
  }
}

export function createAppend(store: Store, room: Room): Append {
  const { catalog, writer } = store
  /** Keys and bytes of entries that are being written. */
  const arriving = new Map<string, number>()
  let arrivingEntries = 0
  let arrivingBytes = 0
  /** Appends that have to look at the disk first; later ones wait behind them, so that order holds. */
  let queue: Promise<unknown> | undefined

  function checkRoom(drafts: readonly EntryDraft[]): void {
    const stats = catalog.index.stats(store.clock())
    const entries = stats.waiting + stats.dead + arrivingEntries + drafts.length
    const bytes = drafts.reduce((sum, draft) => sum + draft.payload.length, stats.bytes + arrivingBytes)
    const { limits } = store
    if (entries <= limits.entries && bytes <= limits.bytes) return
    const message = `the queue would hold ${entries} of ${limits.entries} entries and ${bytes} of ${limits.bytes} bytes`
    throw new QueueError('ERR_QUEUE_FULL', message, {
      hint: 'Nothing was stored. Deliver or discard entries first, or raise the limits.',
    })
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
  ): Promise<readonly Appended[]> {
    const first = new Map<string, number>()
    let { nextSequence } = store
    const fresh: EntryDraft[] = []
    const appended = drafts.map((draft): Appended => {
      const twin = draft.once === true ? (known.get(draft.key) ?? first.get(draft.key)) : undefined
      if (twin !== undefined) return { sequence: twin, duplicate: true }
      const sequence = nextSequence++
      if (!first.has(draft.key)) first.set(draft.key, sequence)
      fresh.push(draft)
      return { sequence, duplicate: false }
    })
    checkRoom(fresh)
    const bytes = fresh.reduce((sum, draft) => sum + draft.payload.length, 0)
    const now = store.clock()
    const entries: NewEntry[] = []
    const frames = fresh.map((draft, position): FrameDraft => {
      const { lane, gate, key, header, payload } = draft
      const entry: NewEntry = {
        sequence: store.nextSequence + position,
        lane,
        gate,
        key,
        keyHash: keyHash(key),
        after: draft.after === undefined ? [] : [...draft.after],
        payloadBytes: payload.length,
        appendedAt: now,
        location: 0,
      }
      entries.push(entry)
      return {
        type: ENTRY,
        more: position < fresh.length - 1,
        sequence: entry.sequence,
        at: now,
        meta: (into) => writeBase(into, { ...entry, header }),
        data: payload,
        ...(entry.after.length === 0 ? { plain: entry } : {}),
        written: (location) => {
          entry.location = location
        },
      }
    })
    writer.push(frames)
    store.nextSequence = nextSequence
    room.spend(bytes)
    arrivingEntries += entries.length
    arrivingBytes += bytes
    for (const { key, sequence } of entries) if (!arriving.has(key)) arriving.set(key, sequence)
    return writer
      .sync(() => {
        // Visible only once durable, and in the order of the log.
        for (const entry of entries) {
          catalog.index.add(entry, now)
          catalog.learn(entry)
          if (arriving.get(entry.key) === entry.sequence) arriving.delete(entry.key)
        }
        arrivingEntries -= entries.length
        arrivingBytes -= bytes
      })
      .then(() => {
        store.notify()
        return appended
      })
  }

  async function writeLater(drafts: readonly EntryDraft[]): Promise<readonly Appended[]> {
    const known = new Map<string, number>()
    for (const { key, once } of drafts) {
      if (once !== true || known.has(key)) continue
      // Asked first, because what is arriving now may be stored before the disk has answered.
      const arrivingNow = arriving.get(key)
      const sequence = (await storedUnder(key)) ?? arrivingNow
      if (sequence !== undefined) known.set(key, sequence)
    }
    await room.make(drafts)
    // Not `requireOpen`: close waits for what was called before it.
    writer.check()
    return write(drafts, known)
  }

  return async (drafts) => {
    requireOpen(store)
    checkDrafts(drafts, catalog.index.lastSequence)
    forgetOld(store)
    const mustLook = drafts.some(
      ({ once, key }) => once === true && (arriving.has(key) || catalog.keys.candidates(key).length > 0),
    )
    if (queue === undefined && !mustLook && room.fits(drafts)) return write(drafts, new Map())
    const copies = drafts.map(copied)
    const turn = (queue ?? Promise.resolve()).then(() => writeLater(copies))
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
}

/** Lets go of settled entries beyond the retention. */
export function forgetOld(store: Store): void {
  const { catalog, writer } = store
  const sequences = catalog.retire(store.retention, store.clock())
  if (sequences.length === 0) return
  const totals = catalog.forgotten
  writer.push([
    {
      type: RETIRE,
      more: false,
      sequence: 0,
      at: store.clock(),
      meta: (into) => writeRetired(into, totals, sequences),
    },
  ])
  store.tidy()
}
