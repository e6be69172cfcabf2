import { QueueError, type Lease, type LeaseRequest, type NothingReady } from '@fhir-outbox/queue-core'
import type { Row, Sql } from './database.js'
import { hexOf, optionalBytes, textOf } from './packing.js'
import { leasedOf } from './rows.js'

const heads = `lanes l cross join lateral (
  select e.sequence, e.gate, e.due_at from entries e
  where e.lane_id = l.id and e.state in ('waiting', 'unknown') order by e.sequence limit 1
) as h`
const free = `l.lease_id is null and l.pending > 0
  and not exists (select from blockers b where b.entry = h.sequence)`

/** Locks the lane of a current lease that holds all of these entries. */
export async function requireLease(sql: Sql, lease: Lease, sequences: readonly number[]): Promise<unknown> {
  const [lane] = await sql.query('select id from lanes where lease_id = $1 for update', [lease.id])
  const [held] = await sql.query(
    `select count(*)::float8 as count from entries where lane_id = $1 and leased
       and sequence in (select value::bigint from jsonb_array_elements_text($2::text::jsonb))`,
    [lane?.['id'] ?? null, JSON.stringify(sequences)],
  )
  if (lane === undefined || held?.['count'] !== sequences.length) {
    throw new QueueError('ERR_LEASE_LOST', 'the lease is not current or does not hold the entry', {
      hint: 'Drop the result: whoever holds the lane now will find out about these entries.',
    })
  }
  return lane['id']
}

/** As many rows as may travel together, by the rules of `Lease`. */
function headRun(rows: readonly Row[], maxBytes: number, oneByOne: boolean): Row[] {
  const [head] = rows
  if (oneByOne && head?.['state'] === 'waiting') return headRun([head], maxBytes, false)
  const run: Row[] = []
  let bytes = 0
  for (const row of rows) {
    bytes += Number(row['payload_bytes'])
    if (row['due'] !== true || row['blocked'] === true) break
    if (run.length > 0) {
      if (row['state'] !== head?.['state'] || row['gate'] !== head?.['gate'] || bytes > maxBytes) break
      if (row['state'] === 'unknown' && (row['mark'] === null || row['mark'] !== head?.['mark'])) break
    }
    run.push(row)
  }
  return run
}

/** The request may be answered from gates like this one. */
const gateAllowed = (gate: string): string =>
  `($2::text is null or ${gate} = decode($2, 'hex'))
     and ${gate} not in (select decode(value, 'hex') from jsonb_array_elements_text($1::text::jsonb))`

async function nothingReady(sql: Sql, gates: readonly unknown[]): Promise<NothingReady> {
  const [row] = await sql.query(
    `select (least(
       (select min(h.due_at) from ${heads} where ${free} and h.due_at > now_ms() and ${gateAllowed('h.gate')}),
       (select min(l.lease_expires) from lanes l join entries e on e.lane_id = l.id and e.leased
         where ${gateAllowed('e.gate')})
     ) - now_ms())::float8 as wait`,
    gates,
  )
  const wait = row?.['wait']
  return typeof wait === 'number' ? { nextDueInMs: Math.max(0, wait) } : {}
}

export async function takeLease(
  sql: Sql,
  request: LeaseRequest,
  owner: string,
): Promise<Lease | NothingReady> {
  const closed = JSON.stringify(request.closedGates.map(hexOf))
  const only = request.onlyGate === undefined ? null : hexOf(request.onlyGate)
  for (;;) {
    const [lane] = await sql.query(
      `select l.id, l.name, l.receipt_hash from ${heads}
       where ${free} and h.due_at <= now_ms() and ${gateAllowed('h.gate')}
       order by l.last_leased, h.sequence limit 1 for update of l skip locked`,
      [closed, only],
    )
    if (lane === undefined) return await nothingReady(sql, [closed, only])
    // The lane was chosen by what was visible before its lock was had. What counts is what is there now.
    const rows = await sql.query(
      `select sequence::float8, state, encode(gate, 'hex') as gate, payload_bytes, due_at <= now_ms() as due,
         encode(mark_group, 'hex') as mark, exists (select from blockers b where b.entry = e.sequence) as blocked
       from entries e where lane_id = $1 and state in ('waiting', 'unknown') order by e.sequence limit $2`,
      [lane['id'], request.limit],
    )
    const gate = String(rows[0]?.['gate'])
    const { oneByOne = [] } = request
    const alone = oneByOne === 'all' || oneByOne.includes(textOf(lane['name']))
    const run = headRun(rows, request.maxBytes, alone)
    if (run.length === 0 || closed.includes(`"${gate}"`) || (only !== null && only !== gate)) continue
    const id = crypto.randomUUID()
    await sql.query(
      `update lanes set lease_id = $2, lease_owner = $3, lease_expires = now_ms() + $4,
         last_leased = nextval('ticks') where id = $1`,
      [lane['id'], id, owner, request.ttlMs],
    )
    const leased = await sql.query(
      `update entries set leased = true
       where sequence in (select value::bigint from jsonb_array_elements_text($1::text::jsonb))
       returning sequence::float8, key, gate, header, payload, state, attempts, note, mark_group, mark_info,
         now_ms() - appended_at as age, now_ms() - troubled_since as troubled`,
      [JSON.stringify(run.map((row) => row['sequence']))],
    )
    const entries = leased.map(leasedOf).sort((a, b) => a.sequence - b.sequence)
    const hash = optionalBytes(lane['receipt_hash'])
    return {
      id,
      lane: textOf(lane['name']),
      gate: textOf(leased[0]?.['gate']),
      entries,
      ...(hash === undefined ? {} : { lastReceiptHash: hash }),
    }
  }
}
