import {
  checkDrafts,
  queueFull,
  type Appended,
  type EntryDraft,
  type QueueLimits,
} from '@fhir-outbox/queue-core'
import { changeLane, type Access, type Commit, type Operation } from './commits.js'
import { stoppersOf } from './holds.js'
import { answer } from './requests.js'
import { pageEntries, type Head } from './schema.js'

/** A page ends here: Chromium puts values of 64 KiB and more into files of their own. */
const pageBytes = 62 * 1024

/** What the appends of one commit share. */
export interface Growing {
  /** Keys that no index shows yet. */
  readonly keys: Map<string, number>
  bytes: number
  /** Of the last page. */
  heads: { readonly rows: Head[]; readonly keys: string[]; readonly after: number[] } | undefined
  payloads: Uint8Array[]
}

function addRow({ records, meta }: Commit, growing: Growing, head: Head, payload: Uint8Array): number {
  const sequence = ++meta.lastSequence
  const { lane, gate, key, header, after = [] } = head
  // Of the larger of its two records, about.
  const bytes = Math.max(
    payload.length,
    150 + header.length + lane.length + gate.length + 2 * key.length + 12 * after.length,
  )
  let { heads } = growing
  if (heads === undefined || heads.rows.length >= pageEntries || growing.bytes + bytes > pageBytes) {
    const page = { first: sequence, rows: [], keys: [], after: [] }
    Object.assign(growing, { bytes: 0, heads: page, payloads: [] })
    heads = page
    // Both grow until they are written, at the end of the commit.
    records.heads.set(sequence, page)
    records.payloads.set(sequence, { first: sequence, rows: growing.payloads })
  }
  growing.bytes += bytes
  heads.rows.push(head)
  heads.keys.push(key)
  heads.after.push(...after)
  growing.payloads.push(payload)
  if (!growing.keys.has(key)) growing.keys.set(key, sequence)
  return sequence
}

/** `drafts` are copies by now. */
export function appending(
  drafts: readonly EntryDraft[],
  limits: Required<QueueLimits>,
): Operation<readonly Appended[]> {
  const bytes = drafts.reduce((sum, { header, payload }) => sum + header.length + payload.length, 0)
  let duplicates: readonly (number | undefined)[] = []
  let held: readonly boolean[] = []

  async function sequenceOf({ transaction, records }: Access, key: string): Promise<number | undefined> {
    const first = await answer(transaction.objectStore('heads').index('keys').getKey(key))
    if (typeof first !== 'number') return undefined
    const page = await records.heads.get(first)
    return first + (page?.rows.findIndex((row) => row?.key === key) ?? 0)
  }

  async function prepare(access: Access): Promise<void> {
    if (drafts.some(({ once }) => once === true)) {
      duplicates = await Promise.all(
        drafts.map(({ once, key }) => (once === true ? sequenceOf(access, key) : undefined)),
      )
    }
    if (drafts.some(({ after = [] }) => after.length > 0)) {
      held = await Promise.all(
        drafts.map(async ({ after = [] }) => (await stoppersOf(access, after)).length > 0),
      )
    }
  }

  function checkRoom({ meta }: Commit, fresh: readonly EntryDraft[]): void {
    const entries = meta.counts.waiting + meta.counts.dead + fresh.length
    const total = fresh.reduce((sum, { payload }) => sum + payload.length, meta.counts.bytes)
    if (entries <= limits.entries && total <= limits.bytes) return
    throw queueFull(
      `the queue would hold ${entries} of ${limits.entries} entries and ${total} of ${limits.bytes} bytes`,
    )
  }

  async function run(commit: Commit): Promise<Appended[]> {
    const { meta, now } = commit
    checkDrafts(drafts, meta.lastSequence)
    const growing = (commit.growing ??= { keys: new Map(), bytes: 0, heads: undefined, payloads: [] })
    const own = new Set<string>()
    const isNew = drafts.map(({ key, once }, at) => {
      const seen = duplicates[at] !== undefined || growing.keys.has(key) || own.has(key)
      own.add(key)
      return once !== true || !seen
    })
    checkRoom(
      commit,
      drafts.filter((_, at) => isNew[at]),
    )
    const added = new Map<string, number>()
    const appended = drafts.map(({ lane, gate, key, after = [], header, payload }, at): Appended => {
      if (isNew[at] !== true) {
        return { sequence: duplicates[at] ?? growing.keys.get(key) ?? 0, duplicate: true }
      }
      const sequence = addRow(
        commit,
        growing,
        {
          lane,
          gate,
          key,
          header,
          payloadBytes: payload.length,
          appendedAt: now,
          ...(after.length === 0 ? {} : { after }),
        },
        payload,
      )
      added.set(lane, (added.get(lane) ?? 0) + 1)
      meta.counts.accepted++
      meta.counts.waiting++
      meta.counts.bytes += payload.length
      if (held[at] === true) meta.counts.held++
      return { sequence, duplicate: false }
    })
    for (const [lane, count] of added) await changeLane(commit, lane, count)
    return appended
  }

  return { strict: true, bytes, prepare, run }
}
