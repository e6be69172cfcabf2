import { checkDrafts, type Appended, type EntryDraft } from '@fhir-outbox/queue-core'
import type { Sql } from './database.js'
import { hexOf, packer, unpacked } from './packing.js'

/** Checks all but `after`, for which the last sequence must be known, and copies what the caller may reuse. */
export function copyDrafts(drafts: readonly EntryDraft[]): EntryDraft[] {
  checkDrafts(drafts, Number.MAX_SAFE_INTEGER)
  return drafts.map((draft) => ({
    ...draft,
    after: [...(draft.after ?? [])],
    header: draft.header.slice(),
    payload: draft.payload.slice(),
  }))
}

async function lockLanes(sql: Sql, drafts: readonly EntryDraft[]): Promise<void> {
  const names = JSON.stringify([...new Set(drafts.map(({ lane }) => hexOf(lane)))].sort())
  await sql.query(
    `insert into lanes (name) select decode(value, 'hex') from jsonb_array_elements_text($1::text::jsonb)
     on conflict do nothing`,
    [names],
  )
  await sql.query(
    `select id from lanes
     where name in (select decode(value, 'hex') from jsonb_array_elements_text($1::text::jsonb))
     order by name for update`,
    [names],
  )
}

/** The state of what drafts are after; locked, so that nothing settles before the new entries are visible. */
async function lockBlockers(sql: Sql, drafts: readonly EntryDraft[]): Promise<Map<number, string>> {
  const all = [...new Set(drafts.flatMap(({ after = [] }) => after))]
  if (all.length === 0) return new Map()
  const rows = await sql.query(
    `select sequence::float8, state from entries
     where sequence in (select value::bigint from jsonb_array_elements_text($1::text::jsonb))
     order by sequence for share`,
    [JSON.stringify(all)],
  )
  return new Map(rows.map((row) => [Number(row['sequence']), String(row['state'])]))
}

async function findKeys(sql: Sql, drafts: readonly EntryDraft[]): Promise<Map<string, number>> {
  const keys = drafts.filter(({ once }) => once === true).map(({ key }) => hexOf(key))
  if (keys.length === 0) return new Map()
  const rows = await sql.query(
    `select encode(key, 'hex') as key, min(sequence)::float8 as sequence from entries
     where key in (select decode(value, 'hex') from jsonb_array_elements_text($1::text::jsonb)) group by key`,
    [JSON.stringify(keys)],
  )
  return new Map(rows.map((row) => [String(row['key']), Number(row['sequence'])]))
}

export async function appendAll(sql: Sql, drafts: readonly EntryDraft[]): Promise<Appended[]> {
  if (drafts.length === 0) return []
  await lockLanes(sql, drafts)
  const blockers = await lockBlockers(sql, drafts)
  // From here to the commit no other append can get a number, nor see less than this one.
  const [counter] = await sql.query('update counter set last = last + $1 returning last::float8', [
    drafts.length,
  ])
  const last = Number(counter?.['last']) - drafts.length
  checkDrafts(drafts, last)
  const known = await findKeys(sql, drafts)
  const pack = packer()
  const rows: unknown[] = []
  const appended = drafts.map((draft, at) => {
    const key = hexOf(draft.key)
    const first = draft.once === true ? known.get(key) : undefined
    if (first !== undefined) return { sequence: first, duplicate: true }
    const sequence = last + 1 + at
    if (!known.has(key)) known.set(key, sequence)
    const after = draft.after ?? []
    const open = [...new Set(after)].filter((blocker) => blockers.get(blocker) !== 'delivered')
    const stopped = open.filter((blocker) => {
      return ['dead', 'discarded', 'quarantined'].includes(blockers.get(blocker) ?? '')
    }).length
    const { length } = draft.payload
    const [header, payload] = [pack.add(draft.header), pack.add(draft.payload)]
    const [lane, gate] = [hexOf(draft.lane), hexOf(draft.gate)]
    rows.push({ sequence, lane, gate, key, after, open, stopped, header, payload, length })
    return { sequence, duplicate: false }
  })
  const json = JSON.stringify(rows)
  await sql.query(
    `insert into entries (sequence, lane_id, key, gate, after, header, payload, payload_bytes, appended_at, stopped)
     select (v->>'sequence')::bigint, l.id, decode(v->>'key', 'hex'), decode(v->>'gate', 'hex'),
       array(select a.value::bigint from jsonb_array_elements_text(v->'after') with ordinality as a(value, at)
         order by a.at),
       ${unpacked("v->'header'")}, ${unpacked("v->'payload'")}, (v->>'length')::int, now_ms(),
       (v->>'stopped')::int
     from jsonb_array_elements($1::text::jsonb) as v join lanes l on l.name = decode(v->>'lane', 'hex')`,
    [json, pack.bytes()],
  )
  await sql.query(
    `insert into blockers select (v->>'sequence')::bigint, b.value::bigint
     from jsonb_array_elements($1::text::jsonb) as v, jsonb_array_elements_text(v->'open') as b`,
    [json],
  )
  return appended
}
