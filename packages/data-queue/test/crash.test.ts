import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { isLease } from '@fhir-outbox/queue-core'
import { openFsStorage } from '@fhir-outbox/storage-fs'
import { arrived, bench, observation } from './bench.js'

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'data-queue-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

it('keeps what was accepted while the server was away, over a restart', async () => {
  const set = await bench('socket')
  const path = await directory()
  await set.pause()
  const first = set.open({ storage: await openFsStorage({ directory: path }) })
  for (const text of ['a', 'b', 'c']) await first.enqueue(observation(text))
  expect(await first.flush()).toMatchObject({ delivered: 0, waiting: 3 })
  await first.close()
  await set.resume()
  const second = set.open({ storage: await openFsStorage({ directory: path }) })
  expect(await second.flush()).toMatchObject({ delivered: 3, waiting: 0 })
  expect(arrived(set.mock)).toEqual(['a', 'b', 'c'])
})

it('asks the server about an entry that was marked when the process died, and does not double it', async () => {
  const set = await bench('socket')
  const path = await directory()
  const first = set.open({ storage: await openFsStorage({ directory: path }) })
  const { sequence } = await first.enqueue(observation('marked'))
  // What a process does up to the moment it dies: lease, mark, send, and no settlement.
  const { storage } = first.outbox
  const lease = await storage.lease({ limit: 1, maxBytes: 1_000_000, ttlMs: 60_000, closedGates: [] })
  if (!isLease(lease)) throw new Error('nothing was ready')
  await storage.mark(lease, [{ sequence, group: 'g' }])
  const [entry] = lease.entries
  const header = JSON.parse(new TextDecoder().decode(entry?.header)) as {
    path: string
    headers: Record<string, string>
  }
  await set.fhir.request({
    method: 'POST',
    path: header.path,
    headers: { ...header.headers, 'Content-Type': 'application/fhir+json' },
    body: entry?.payload ?? '',
  })
  await first.close()

  const second = set.open({ storage: await openFsStorage({ directory: path }) })
  expect(await second.stats()).toMatchObject({ waiting: 1, unknown: 1 })
  expect(await second.flush()).toMatchObject({ delivered: 1 })
  expect(await second.receipt(sequence)).toMatchObject({ status: 200, alreadyThere: true })
  expect(arrived(set.mock)).toEqual(['marked'])
})
