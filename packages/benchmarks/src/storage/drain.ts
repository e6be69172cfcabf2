import { join } from 'node:path'
import Database from 'better-sqlite3'
import { isLease, openOutbox, type Outcome } from '@fhir-outbox/queue-core'
import { openFsStorage } from '@fhir-outbox/storage-fs'
import { quantile } from '../measure.js'
import type { Figure } from '../report.js'
import { observation } from './content.js'
import { freshFolder } from './folder.js'

const entries = 10_000
const encoder = new TextEncoder()

/** Delivering 10,000 waiting entries to a transport that does nothing, beside SQLite deleting ranges of 100. */
export async function drainFigures(rounds: number): Promise<readonly Figure[]> {
  const outbox: number[] = []
  const withReceipts: number[] = []
  const storage: number[] = []
  const rival: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    outbox.push(await drainOutbox(false))
    withReceipts.push(await drainOutbox(true))
    storage.push(await drainStorage())
    rival.push(await drainSqlite())
  }
  const peer = quantile(rival, 0.5)
  const shared = { bench: 'storage', unit: '/s', peer, peerName: 'SQLite FULL, ranges of 100 (power-safe)' }
  return [
    { ...shared, case: 'drain of the storage alone (lease, settle)', ours: quantile(storage, 0.5) },
    { ...shared, case: 'drain through the outbox, receipts off', ours: quantile(outbox, 0.5), target: 1 },
    {
      ...shared,
      case: 'drain through the outbox: the price of receipts',
      ours: quantile(withReceipts, 0.5),
      peer: quantile(outbox, 0.5),
      peerName: 'receipts off',
    },
  ]
}

async function filled(directory: string): Promise<Awaited<ReturnType<typeof openFsStorage>>> {
  const storage = await openFsStorage({ directory })
  const header = new Uint8Array()
  for (let from = 0; from < entries; from += 1_000) {
    await storage.append(
      Array.from({ length: 1_000 }, (_, index) => ({
        lane: 'bench',
        key: `key-${from + index}`,
        gate: 'bench',
        header,
        payload: encoder.encode(observation(from + index)),
      })),
    )
  }
  return storage
}

async function drainStorage(): Promise<number> {
  const folder = freshFolder()
  const storage = await filled(folder.path)
  const started = performance.now()
  for (;;) {
    const lease = await storage.lease({ limit: 100, maxBytes: 1 << 24, ttlMs: 60_000, closedGates: [] })
    if (!isLease(lease)) break
    await storage.settle(
      lease,
      lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered' })),
    )
  }
  await storage.sync()
  const rate = entries / ((performance.now() - started) / 1_000)
  await storage.close()
  folder.remove()
  return rate
}

async function drainOutbox(receipts: boolean): Promise<number> {
  const folder = freshFolder()
  const storage = await filled(folder.path)
  async function* deliver(
    leased: readonly { readonly sequence: number }[],
    context: { mark(sequences: readonly number[]): Promise<void> },
  ): AsyncGenerator<readonly Outcome[]> {
    await context.mark(leased.map(({ sequence }) => sequence))
    yield leased.map(({ sequence }) => ({ sequence, kind: 'delivered', receipt: {} }))
  }
  const queue = openOutbox({
    storage,
    transport: { deliver, resolve: deliver },
    receipts,
    defaults: { runEntries: 100, runBytes: 1 << 24 },
  })
  const started = performance.now()
  const { delivered } = await queue.flush()
  const rate = delivered / ((performance.now() - started) / 1_000)
  await queue.close()
  folder.remove()
  return rate
}

async function drainSqlite(): Promise<number> {
  const folder = freshFolder()
  const database = new Database(join(folder.path, 'queue.db'))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.exec('CREATE TABLE queue (sequence INTEGER PRIMARY KEY, body TEXT NOT NULL)')
  const insert = database.prepare('INSERT INTO queue (body) VALUES (?)')
  database.transaction(() => {
    for (let n = 0; n < entries; n += 1) insert.run(observation(n))
  })()
  const head = database.prepare<[], { sequence: number; body: string }>(
    'SELECT * FROM queue ORDER BY sequence LIMIT 100',
  )
  const remove = database.prepare('DELETE FROM queue WHERE sequence <= ?')
  const started = performance.now()
  for (let rows = head.all(); rows.length > 0; rows = head.all()) remove.run(rows.at(-1)?.sequence)
  const rate = entries / ((performance.now() - started) / 1_000)
  database.close()
  folder.remove()
  return rate
}
