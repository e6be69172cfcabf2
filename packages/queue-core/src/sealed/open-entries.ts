import type { AttemptNote, Entry, EntrySummary, LeasedEntry } from '../storage-port.js'
import type { Foundation } from './foundation.js'
import { openHead, openPayload, type Head } from './record.js'

const none = new Uint8Array(0)

/** A lane or gate that the adapter shows and the sealed head does not say: somebody moved the entry. */
function belongs({ labels }: Foundation, head: Head, lane: string, gate: string): boolean {
  return labels.of('lane', head.lane) === lane && labels.of('gate', head.gate) === gate
}

async function headOf(
  foundation: Foundation,
  entry: { readonly key: string; readonly header: Uint8Array },
  place: { readonly lane: string; readonly gate: string },
): Promise<Head | undefined> {
  const head = await openHead(foundation.sealer, entry.key, entry.header)
  if (head === undefined || !belongs(foundation, head, place.lane, place.gate)) return undefined
  return head
}

/** A note that does not open is left out: what it tells is history, and the entry can do without. */
async function noteOf(
  { sealer }: Foundation,
  key: string,
  note: Uint8Array | undefined,
): Promise<{ readonly note?: Uint8Array }> {
  if (note === undefined) return {}
  const opened = await sealer.open('note', key, note)
  return opened === undefined ? {} : { note: opened }
}

async function markOf(
  { sealer }: Foundation,
  key: string,
  mark: AttemptNote | undefined,
): Promise<{ readonly mark?: AttemptNote }> {
  if (mark === undefined) return {}
  const { sequence, group } = mark
  const info = mark.info === undefined ? undefined : await sealer.open('mark', key, mark.info)
  return { mark: { sequence, group, ...(info === undefined ? {} : { info }) } }
}

/** An entry whose head does not open keeps the hashes for names, and has no header. */
export async function openSummary(foundation: Foundation, sealed: EntrySummary): Promise<EntrySummary> {
  const { note, mark, ...rest } = sealed
  const [head, opened, shownMark] = await Promise.all([
    headOf(foundation, sealed, sealed),
    noteOf(foundation, sealed.key, note),
    markOf(foundation, sealed.key, mark),
  ])
  return { ...rest, ...(head ?? { header: none }), ...opened, ...shownMark }
}

export async function openEntry(foundation: Foundation, sealed: Entry): Promise<Entry> {
  const { payload, ...rest } = sealed
  const [summary, content] = await Promise.all([
    openSummary(foundation, rest),
    payload === undefined
      ? undefined
      : openPayload(foundation.sealer, sealed.key, { header: sealed.header, payload }),
  ])
  return { ...summary, ...(content === undefined ? {} : { payload: content }) }
}

/** Resolves to `undefined` when head or payload do not open. */
export async function openLeased(
  foundation: Foundation,
  sealed: LeasedEntry,
  place: { readonly lane: string; readonly gate: string },
): Promise<{ readonly head: Head; readonly entry: LeasedEntry } | undefined> {
  const { note, mark, ...rest } = sealed
  const [head, payload, opened, shownMark] = await Promise.all([
    headOf(foundation, sealed, place),
    openPayload(foundation.sealer, sealed.key, sealed),
    noteOf(foundation, sealed.key, note),
    markOf(foundation, sealed.key, mark),
  ])
  if (head === undefined || payload === undefined) return undefined
  const { key, header } = head
  return { head, entry: { ...rest, key, header, payload, ...opened, ...shownMark } }
}
