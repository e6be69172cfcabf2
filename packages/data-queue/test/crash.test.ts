import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import { isLease } from '@fhir-outbox/queue-core'
import { openFsStorage } from '@fhir-outbox/storage-fs'
import { openDataQueue } from '../src/index.js'
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

it('asks about bytes where they were put: a Binary that never left is no success', async () => {
  const path = await directory()
  const posted: string[] = []
  let dies = true
  const statement = {
    resourceType: 'CapabilityStatement',
    rest: [
      {
        mode: 'server',
        resource: [
          {
            type: 'Binary',
            updateCreate: true,
            interaction: ['create', 'update', 'read', 'search-type'].map((code) => ({ code })),
          },
        ],
      },
    ],
  }
  const fhir = createFhirClient({
    baseUrl: 'https://fhir.example.org',
    async send({ method, url }) {
      const { pathname } = new URL(url)
      if (pathname === '/metadata') return Response.json(statement)
      // Whoever asks for the type gets a list, which says nothing about one of them.
      if (method === 'GET' && pathname === '/Binary') return Response.json({ resourceType: 'Bundle' })
      if (method === 'GET') return new Response(null, { status: 404 })
      posted.push(pathname)
      if (dies) return await new Promise(() => undefined)
      return new Response(null, { status: 201 })
    },
  })
  const first = openDataQueue({ storage: await openFsStorage({ directory: path }), fhir })
  const bytes = Uint8Array.of(1, 2)
  for (let count = 0; count < 2; count++) await first.binary(bytes, 'application/pdf', { wait: 0 })
  first.start()
  await until(() => posted.length === 1)
  await until(async () => (await first.stats()).leased === 2)
  await first.close()
  dies = false
  const second = openDataQueue({ storage: await openFsStorage({ directory: path }), fhir })
  onTestFinished(() => second.close())
  expect(await second.flush()).toMatchObject({ delivered: 2, waiting: 0 })
  expect(posted).toHaveLength(3)
})

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}
