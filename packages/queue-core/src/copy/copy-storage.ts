import { QueueError } from '../errors.js'
import { encodeJson } from '../internal/bytes.js'
import { abortError } from '../outbox/failures.js'
import { decisionNote } from '../outbox/notes.js'
import type { Entry, EntryDraft, EntrySummary, QueueStats, QueueStorage } from '../storage-port.js'
import { createReceiptChain, type ReceiptChain } from './receipt-chain.js'
import { retraceEnds, retraceUnknown, retraceWaiting, type Copied } from './retrace.js'
import { createSequenceMap, type SequenceMap } from './sequence-map.js'

/** Options of `copyStorage`. */
export interface CopyOptions {
  /** Names of the notes to copy, for a source that cannot tell them. Default: what the source tells. */
  readonly notes?: readonly string[]
  /** Milliseconds since 1970, for what the copy records. Default `Date.now`. */
  readonly wallClock?: () => number
  readonly signal?: AbortSignal
}

/** What was copied. */
export interface CopyResult {
  readonly entries: number
  readonly notes: number
  /**
   * Sequences in the source of entries that could not be read back. In the copy they are discarded, so that
   * whatever is after them stays held; their bytes are in the source only.
   */
  readonly unreadable: readonly number[]
  /** The sequence in the copy of an entry of the source. */
  sequenceOf(sourceSequence: number): number | undefined
}

/** Name of the note that tells that a copy is unfinished, or when it was finished. */
export const copyNoteName = 'fhir-outbox-copy'

const pageSize = 100
/** Payload bytes held in memory at a time; one entry may be more. */
const batchBytes = 16 * 1024 * 1024
const none = new Uint8Array(0)

async function* entriesOf(from: QueueStorage, signal: AbortSignal | undefined): AsyncGenerator<EntrySummary> {
  for (let after = 0; ;) {
    const page = await from.list({ after, limit: pageSize })
    for (const entry of page) {
      if (signal?.aborted === true) throw abortError()
      yield entry
      after = entry.sequence
    }
    if (page.length === 0) return
  }
}

/** Entries up to `end` have a history to retrace; those behind it merely wait. */
async function historyOf(
  from: QueueStorage,
  signal: AbortSignal | undefined,
): Promise<{ readonly end: number; readonly chain: ReceiptChain }> {
  const chain = createReceiptChain()
  let end = 0
  for await (const entry of entriesOf(from, signal)) {
    await chain.see(entry)
    if (entry.state !== 'waiting' || entry.note !== undefined) end = entry.sequence
  }
  return { end, chain }
}

function changed(before: QueueStats, after: QueueStats): boolean {
  return Object.entries(before).some(([name, value]) => value !== new Map(Object.entries(after)).get(name))
}

function inUse(): QueueError {
  return new QueueError('ERR_WRONG_STATE', 'the source is in use', {
    hint: 'Stop whatever appends to it or delivers from it, and copy again into an empty target.',
  })
}

/** What the copy says of an entry that could not be read back. */
function unreadableNote(entry: EntrySummary, at: string): Uint8Array {
  const by = { actor: 'copyStorage', reason: `entry ${entry.sequence} of the source could not be read back` }
  return decisionNote('withdraw', by, at, entry.note)
}

function draftOf(entry: Entry, sequences: SequenceMap): EntryDraft {
  const { lane, key, gate, header, payload = none } = entry
  // What is forgotten in the source was settled there long ago and holds nobody.
  const after = entry.after.map((blocker) => sequences.get(blocker)).filter((one) => one !== undefined)
  return { lane, key, gate, header, payload, ...(after.length === 0 ? {} : { after }) }
}

/**
 * Copies a store into an empty one of any kind: entries in every state with their order, keys, `after` and
 * notes (receipts, failures, decisions), dead letters, unknown entries with their marks, the receipt chain, and
 * named notes. Only the public port of both is used. Not copied: sequences (`sequenceOf` tells the new ones),
 * ages, attempts and delays, which start anew.
 *
 * The source is only read. It must not be in use: rejects with `ERR_WRONG_STATE` when it is leased from or
 * changes meanwhile. Rejects with `ERR_NOT_EMPTY` when the target has, or ever had, an entry. A copy that failed
 * leaves the target unfinished, which its note `fhir-outbox-copy` says, and is not continued: throw the target
 * away and copy again.
 */
export async function copyStorage(
  from: QueueStorage,
  to: QueueStorage,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const { signal, wallClock = Date.now } = options
  const before = await from.stats()
  if (before.leased > 0) throw inUse()
  if ((await to.stats()).accepted > 0) {
    throw new QueueError('ERR_NOT_EMPTY', 'the target of the copy is not empty', {
      hint: 'Copy into a new storage. Nothing was changed.',
    })
  }
  const at = new Date(wallClock()).toISOString()
  const version = await to.notes.put(copyNoteName, encodeJson({ v: 1, state: 'unfinished', at }), 0)
  const sequences = createSequenceMap()
  const unreadable: number[] = []
  const parked: Copied[] = []
  const history = await historyOf(from, signal)
  let retraced = history.end === 0

  async function read(summary: EntrySummary): Promise<{ entry: Entry; source: EntrySummary }> {
    const { state } = summary
    if (state === 'delivered' || state === 'discarded') return { entry: summary, source: summary }
    const entry = await from.read(summary.sequence)
    if (entry?.state !== state) throw inUse()
    if (entry.payload !== undefined) return { entry, source: summary }
    unreadable.push(summary.sequence)
    return { entry, source: { ...summary, state: 'discarded', note: unreadableNote(summary, at) } }
  }

  async function append(summaries: readonly EntrySummary[]): Promise<Copied[]> {
    const batch: { entry: Entry; source: EntrySummary }[] = []
    for (const summary of summaries) batch.push(await read(summary))
    // One by one, where an entry is after another of the same batch.
    const copied: Copied[] = []
    for (const group of groupsOf(batch)) {
      const appended = await to.append(group.map(({ entry }) => draftOf(entry, sequences)))
      for (const [position, { sequence }] of appended.entries()) {
        const source = group[position]?.source
        if (source === undefined) continue
        sequences.add(source.sequence, sequence)
        copied.push({ source, target: sequence })
      }
    }
    return copied
  }

  async function flush(batch: readonly EntrySummary[]): Promise<void> {
    const copied = await append(batch)
    if (retraced) {
      // Behind the history only entries that could not be read back are left to settle.
      for (const { source, target } of copied) {
        if (source.state === 'discarded') {
          await to.decide(target, { kind: 'withdraw', note: source.note ?? none })
        }
      }
      return
    }
    await retraceEnds(to, copied, history.chain)
    parked.push(...copied.filter(({ source }) => source.state === 'waiting' || source.state === 'unknown'))
  }

  let batch: EntrySummary[] = []
  let bytes = 0
  for await (const summary of entriesOf(from, signal)) {
    batch.push(summary)
    bytes += summary.payloadBytes
    const last = summary.sequence === history.end
    if (batch.length < pageSize && bytes < batchBytes && !last) continue
    await flush(batch)
    batch = []
    bytes = 0
    if (!last) continue
    await retraceUnknown(
      to,
      parked.filter(({ source }) => source.state === 'unknown'),
    )
    await retraceWaiting(
      to,
      parked.filter(({ source }) => source.state === 'waiting'),
    )
    retraced = true
  }
  await flush(batch)
  const notes = await copyNotes(from, to, options.notes)
  if (changed(before, await from.stats())) throw inUse()
  await to.sync()
  await to.notes.put(copyNoteName, encodeJson({ v: 1, state: 'complete', at }), version)
  return { entries: sequences.size, notes, unreadable, sequenceOf: (sequence) => sequences.get(sequence) }
}

/** Cuts a batch so that no entry is after another one of its group: those must have a sequence first. */
function groupsOf<Item extends { readonly entry: Entry }>(batch: readonly Item[]): Item[][] {
  const groups: Item[][] = []
  let group: Item[] = []
  let first = Infinity
  for (const item of batch) {
    if (item.entry.after.some((blocker) => blocker >= first)) {
      groups.push(group)
      group = []
    }
    if (group.length === 0) first = item.entry.sequence
    group.push(item)
  }
  if (group.length > 0) groups.push(group)
  return groups
}

async function copyNotes(
  from: QueueStorage,
  to: QueueStorage,
  given: readonly string[] | undefined,
): Promise<number> {
  const names = given ?? (await from.notes.names?.()) ?? []
  let count = 0
  for (const name of names) {
    const note = name === copyNoteName ? undefined : await from.notes.get(name)
    if (note === undefined) continue
    await to.notes.put(name, note.bytes, 0)
    count++
  }
  return count
}
