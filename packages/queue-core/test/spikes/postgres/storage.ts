import {
  checkLeaseRequest,
  checkMarks,
  checkNote,
  checkNoteName,
  QueueError,
  type Lease,
  type NoteStore,
  type QueueStorage,
  type Settlement,
} from '@fhir-outbox/queue-core'
import { appendAll, copyDrafts } from './append.js'
import type { Database, Sql } from './database.js'
import { decideOne } from './decide.js'
import { requireLease, takeLease } from './leases.js'
import { bytesOf, hexOf, packer, textOf, unpacked } from './packing.js'
import { schemaSql } from './schema.js'
import { entryColumns, entryOf, summaryOf } from './rows.js'

export interface PostgresSpike extends QueueStorage {
  /** What the server does when the worker's connection breaks: its session and its locks are gone. */
  die(): Promise<void>
}

/** Makes the tables. `now` is an SQL expression: milliseconds on the server's clock. */
export async function createTables(database: Database, schema: string, now: string): Promise<void> {
  await database.transaction((sql) => sql.script(schemaSql(schema, now)))
}

/** Back to how `createTables` left them. */
export async function emptyTables(database: Database, schema: string): Promise<void> {
  await database.transaction((sql) =>
    sql.script(`set local search_path to ${schema};
      truncate lanes, entries, blockers, notes, workers, deltas;
      update counter set last = 0;
      alter sequence ticks restart;`),
  )
}

const settleSql = `
  update entries e set leased = false, mark_open = false,
    state = case when s.outcome in ('rejected', 'parked', 'expired') then 'dead' else s.outcome end,
    dead_reason = case when s.outcome in ('rejected', 'parked', 'expired') then s.outcome end,
    attempts = attempts + s.spent::int,
    due_at = coalesce(now_ms() + s.delay, due_at),
    troubled_since = case when s.spent or s.outcome = 'unknown'
      then coalesce(troubled_since, case when mark_open then marked_at end, now_ms()) else troubled_since end,
    mark_group = case when s.outcome = 'waiting' then null else mark_group end,
    mark_info = case when s.outcome = 'waiting' then null else mark_info end,
    note = coalesce(s.note, e.note),
    payload = case when s.outcome = 'delivered' then null else payload end
  from (
    select (v->>'sequence')::bigint as sequence, v->>'outcome' as outcome, (v->>'delay')::float8 as delay,
      (v->>'spent')::boolean as spent, ${unpacked("v->'note'")} as note
    from jsonb_array_elements($1::text::jsonb) as v
  ) as s where e.sequence = s.sequence`

async function settleAll(sql: Sql, lease: Lease, settlements: readonly Settlement[]): Promise<void> {
  const lane = await requireLease(
    sql,
    lease,
    settlements.map(({ sequence }) => sequence),
  )
  const pack = packer()
  let hash: Uint8Array | undefined
  const rows = settlements.map((settlement) => {
    const { sequence, outcome } = settlement
    const back = outcome === 'waiting' || outcome === 'unknown' ? settlement : undefined
    if (outcome === 'delivered') hash = settlement.receiptHash ?? hash
    const note = pack.add(settlement.note)
    return { sequence, outcome, note, delay: back?.delayMs ?? null, spent: back?.spent ?? false }
  })
  await sql.query(settleSql, [JSON.stringify(rows), pack.bytes()])
  if (hash !== undefined) await sql.query('update lanes set receipt_hash = $2 where id = $1', [lane, hash])
  await sql.query(
    `update lanes l set lease_id = null, lease_owner = null, lease_expires = null
     where id = $1 and not exists (select from entries e where e.lane_id = l.id and e.leased
       and e.state in ('waiting', 'unknown'))`,
    [lane],
  )
}

function copySettlement(settlement: Settlement): Settlement {
  checkNote(settlement.note)
  const note = settlement.note === undefined ? {} : { note: settlement.note.slice() }
  if (settlement.outcome !== 'delivered') return { ...settlement, ...note }
  const { receiptHash } = settlement
  return {
    ...settlement,
    ...note,
    ...(receiptHash === undefined ? {} : { receiptHash: receiptHash.slice() }),
  }
}

/** A throw-away adapter that shows that the port fits a database which many workers share. */
export async function openPostgresSpike(database: Database, schema: string): Promise<PostgresSpike> {
  const owner = crypto.randomUUID()
  const listeners = new Set<() => void>()
  const running = new Set<Promise<unknown>>()
  let closing: Promise<void> | undefined
  let dead = false

  function inTransaction<Result>(body: (sql: Sql) => Promise<Result>): Promise<Result> {
    return database.transaction(async (sql) => {
      await sql.query(`set local search_path to ${schema}`)
      return await body(sql)
    })
  }

  /** Every call: refused after close, swept before, told to the listeners after, failures translated. */
  async function call<Result>(body: (sql: Sql) => Promise<Result>, tell = false): Promise<Result> {
    if (closing !== undefined || dead) {
      throw new QueueError('ERR_STORAGE_CLOSED', 'the storage is closed', { hint: 'Open it again.' })
    }
    const work = inTransaction(async (sql) => {
      await sql.query('select sweep()')
      const result = await body(sql)
      if (tell) await sql.query('select pg_notify($1, $2)', [schema, ''])
      return result
    })
    running.add(work)
    try {
      return await work
    } catch (error) {
      if (error instanceof QueueError) throw error
      const hint = 'Nothing was changed. See the cause.'
      throw new QueueError('ERR_STORAGE_FAILED', 'the database refused', { hint, cause: error })
    } finally {
      running.delete(work)
    }
  }

  const unlisten = await database.listen(schema, () => {
    for (const listener of listeners) listener()
  })
  await inTransaction((sql) => sql.query('insert into workers values ($1)', [owner]))

  async function end(): Promise<void> {
    await Promise.allSettled(running)
    listeners.clear()
    await unlisten()
    if (dead) return
    await inTransaction(async (sql) => {
      await sql.query('delete from workers where owner = $1', [owner])
      await sql.query('select sweep()')
      await sql.query('select pg_notify($1, $2)', [schema, ''])
    })
  }

  const notes: NoteStore = {
    names: () =>
      call(async (sql) => (await sql.query('select name from notes')).map((row) => textOf(row['name']))),
    get: (name) =>
      call(async (sql) => {
        checkNoteName(name)
        const [row] = await sql.query(`select * from notes where name = decode($1, 'hex')`, [hexOf(name)])
        return row && { bytes: bytesOf(row['bytes']), version: Number(row['version']) }
      }),
    async put(name, bytes, expectedVersion) {
      checkNoteName(name)
      checkNote(bytes)
      const copy = bytes.slice()
      return await call(async (sql) => {
        const written = await sql.query(
          expectedVersion === 0
            ? `insert into notes values (decode($1, 'hex'), $2, $3 + 1) on conflict do nothing returning version`
            : `update notes set bytes = $2, version = version + 1
               where name = decode($1, 'hex') and version = $3 returning version`,
          [hexOf(name), copy, expectedVersion],
        )
        if (written[0] !== undefined) return Number(written[0]['version'])
        throw new QueueError('ERR_NOTE_CONFLICT', `the note does not have version ${expectedVersion}`, {
          hint: 'Read the note again, apply the change to what it says now, and put it with that version.',
        })
      })
    },
  }

  return {
    supports: { durability: 'process-crash', appenders: 'many', drainers: 'many', evictable: false },
    async append(drafts) {
      const copies = copyDrafts(drafts)
      return await call((sql) => appendAll(sql, copies), true)
    },
    async lease(request) {
      checkLeaseRequest(request)
      return await call((sql) => takeLease(sql, request, owner))
    },
    async mark(lease, marks) {
      checkMarks(marks)
      const pack = packer()
      const rows = marks.map(({ sequence, group, info }) => {
        return { sequence, group: hexOf(group), info: pack.add(info) }
      })
      const bytes = pack.bytes()
      await call(async (sql) => {
        await requireLease(
          sql,
          lease,
          rows.map(({ sequence }) => sequence),
        )
        await sql.query(
          `update entries e set mark_group = decode(v->>'group', 'hex'), mark_info = ${unpacked("v->'info'")},
             marked_at = now_ms(), mark_open = true
           from jsonb_array_elements($1::text::jsonb) as v where e.sequence = (v->>'sequence')::bigint`,
          [JSON.stringify(rows), bytes],
        )
      })
    },
    renew: (lease, ttlMs) =>
      call(async (sql) => {
        const lane = await requireLease(sql, lease, [])
        await sql.query('update lanes set lease_expires = now_ms() + $2 where id = $1', [lane, ttlMs])
      }),
    async settle(lease, settlements) {
      const copies = settlements.map(copySettlement)
      await call((sql) => settleAll(sql, lease, copies), true)
    },
    read: (sequence) =>
      call(async (sql) => {
        const [row] = await sql.query(
          `select ${entryColumns}, e.payload from entries e join lanes l on l.id = e.lane_id where e.sequence = $1`,
          [sequence],
        )
        return row && entryOf(row)
      }),
    list: ({ state, lane, after = 0, limit }) =>
      call(async (sql) => {
        const rows = await sql.query(
          `select ${entryColumns} from entries e join lanes l on l.id = e.lane_id
           where e.sequence > $1 and ($2::text is null or e.state = $2)
             and ($3::text is null or l.name = decode($3, 'hex'))
           order by e.sequence limit $4`,
          [after, state ?? null, lane === undefined ? null : hexOf(lane), limit],
        )
        return rows.map(summaryOf)
      }),
    async decide(sequence, decision) {
      const run = decideOne(sequence, decision)
      await call(run, true)
    },
    notes,
    watch(listener) {
      const own = (): void => listener()
      listeners.add(own)
      return () => listeners.delete(own)
    },
    hurry: () =>
      call(async (sql) => {
        await sql.query(
          `update entries set due_at = 0 where state in ('waiting', 'unknown') and due_at > now_ms()`,
        )
      }, true),
    async wipe(keep) {
      const pack = packer()
      const rows = keep.map(({ name, bytes }) => {
        checkNote(bytes)
        return { name: hexOf(name), bytes: pack.add(bytes) }
      })
      const bytes = pack.bytes()
      await call(async (sql) => {
        await sql.query('truncate lanes, entries, blockers, notes')
        await sql.query(
          `with gone as (delete from deltas returning *) insert into deltas (accepted, delivered, discarded)
           select sum(accepted), sum(delivered), sum(accepted) - sum(delivered) from gone having count(*) > 0`,
        )
        await sql.query(
          `insert into notes select decode(v->>'name', 'hex'), ${unpacked("v->'bytes'")}, 1
           from jsonb_array_elements($1::text::jsonb) as v`,
          [JSON.stringify(rows), bytes],
        )
      }, true)
    },
    stats: () =>
      call(async (sql) => {
        const names = ['accepted', 'waiting', 'leased', 'unknown', 'held', 'delivered', 'dead', 'discarded']
        names.push('quarantined', 'bytes', 'lanes')
        const sums = names.map((name) => `coalesce(sum(${name}), 0)::float8 as ${name}`).join(', ')
        const [row] = await sql.query(`select ${sums}, count(*)::float8 as rows from deltas`)
        const count = (name: string): number => Number(row?.[name])
        if (count('rows') > 200) {
          const list = names.join(', ')
          const all = names.map((name) => `coalesce(sum(${name}), 0)`).join(', ')
          await sql.query(
            `with gone as (delete from deltas returning *) insert into deltas (${list}) select ${all} from gone`,
          )
        }
        return {
          accepted: count('accepted'),
          waiting: count('waiting'),
          leased: count('leased'),
          unknown: count('unknown'),
          held: count('held'),
          delivered: count('delivered'),
          dead: count('dead'),
          discarded: count('discarded'),
          quarantined: count('quarantined'),
          bytes: count('bytes'),
          lanes: count('lanes'),
        }
      }),
    sync: () => call(async () => undefined),
    close: () => (closing ??= end()),
    async die() {
      dead = true
      await Promise.allSettled(running)
      await inTransaction((sql) => sql.query('delete from workers where owner = $1', [owner]))
    },
  }
}
