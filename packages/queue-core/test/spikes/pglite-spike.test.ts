import { runStorageContract } from '@fhir-outbox/queue-core/storage-contract'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { isLease, type QueueStorage } from '@fhir-outbox/queue-core'
import { createPglite, pgliteDatabase } from './postgres/database.js'
import { createTables, emptyTables, openPostgresSpike, type PostgresSpike } from './postgres/storage.js'

const pglite = await createPglite()
const database = pgliteDatabase(pglite)
await database.query('create table test_clock (ms float8)')
await database.query('insert into test_clock values (1000000)')
const now = '(select ms from public.test_clock)'

const homes = new Map<QueueStorage, { spike: PostgresSpike; schema: string }>()
let schemas = 0

async function open(schema: string): Promise<PostgresSpike> {
  const spike = await openPostgresSpike(database, schema)
  homes.set(spike, { spike, schema })
  return spike
}

/** Tables of tests that are over: emptied, they serve again, which is much faster than new ones. */
const spare: string[] = []

async function create(): Promise<PostgresSpike> {
  const known = spare.pop()
  const schema = known ?? `spike_${++schemas}`
  if (known === undefined) await createTables(database, schema, now)
  else await emptyTables(database, schema)
  return await open(schema)
}

afterEach(() => {
  spare.push(...new Set([...homes.values()].map(({ schema }) => schema)))
  homes.clear()
})

function home(storage: QueueStorage): { spike: PostgresSpike; schema: string } {
  const found = homes.get(storage)
  if (found === undefined) throw new Error('unknown storage')
  return found
}

afterAll(() => pglite.close())

runStorageContract({
  name: 'PostgreSQL spike',
  runner: { describe, it },
  create,
  elapse: async (ms) => {
    await database.query('update test_clock set ms = ms + $1', [ms])
  },
  reopen: (storage) => open(home(storage).schema),
  second: (storage) => open(home(storage).schema),
  crash: async (storage) => {
    await home(storage).spike.die()
    return await open(home(storage).schema)
  },
})

describe('PostgreSQL spike, two workers', () => {
  it('tells the other worker, and hands over what a dead one had marked', async () => {
    const first = await create()
    const second = await open(home(first).schema)
    const bytes = new Uint8Array([1])
    const told = new Promise<void>((resolve) => {
      second.watch(resolve)
    })
    const draft = { lane: 'l', gate: 'g', header: bytes, payload: bytes }
    await first.append([
      { ...draft, key: 'a' },
      { ...draft, key: 'b' },
    ])
    await told
    const request = { limit: 10, maxBytes: 100, ttlMs: 60_000, closedGates: [] }
    const lease = await first.lease(request)
    if (!isLease(lease)) throw new Error('nothing was ready')
    await first.mark(lease, [{ sequence: 1, group: 'g' }])
    expect(await second.lease(request)).not.toHaveProperty('entries')
    await first.die()
    expect(await second.lease(request)).toMatchObject({ entries: [{ sequence: 1, state: 'unknown' }] })
    await second.close()
  })
})
