import { spawnSync } from 'node:child_process'
import { isLease } from '@fhir-outbox/queue-core'
import { openFsStorage } from '@fhir-outbox/storage-fs'
import { quantile } from '../measure.js'
import type { Figure } from '../report.js'
import { freshFolder } from './folder.js'

const million = 1_000_000
const limits = { entries: 2 * million, freeDiskBytes: 0 }
const payload = new Uint8Array(64)
const header = new Uint8Array()

type Storage = Awaited<ReturnType<typeof openFsStorage>>

/** What a million waiting entries cost: opening, memory, and each further operation. */
export async function depthFigures(): Promise<readonly Figure[]> {
  const empty = await operations(0, 1)
  const oneLane = await operations(million, 1)
  const manyLanes = await operations(million, 100_000)
  const figure = (what: string, unit: string, ours: number, target: number, peer?: number): Figure => ({
    bench: 'storage',
    case: what,
    unit,
    ours,
    target,
    sense: 'at-most',
    ...(peer === undefined ? {} : { peer, peerName: 'empty queue' }),
  })
  return [
    figure('clean open, 1,000,000 waiting', 'ms', oneLane.openMs, 25),
    figure('memory per entry, one lane', 'bytes', oneLane.bytesPerEntry, 20),
    figure('memory per entry, 100,000 lanes', 'bytes', manyLanes.bytesPerEntry, 36),
    figure('one enqueue, 1,000,000 waiting', 'us', oneLane.enqueueUs, 1.2, empty.enqueueUs),
    figure('one lease, 1,000,000 waiting', 'us', oneLane.leaseUs, 1.2, empty.leaseUs),
  ]
}

interface Costs {
  readonly openMs: number
  readonly bytesPerEntry: number
  readonly enqueueUs: number
  readonly leaseUs: number
}

async function operations(depth: number, lanes: number): Promise<Costs> {
  const folder = freshFolder()
  const storage = await openFsStorage({ directory: folder.path, limits })
  for (let from = 0; from < depth; from += 10_000) {
    await storage.append(
      Array.from({ length: 10_000 }, (_, index) =>
        draft(`key-${from + index}`, `lane-${(from + index) % lanes}`),
      ),
    )
  }
  await storage.close()
  // A process of its own: what filling the store left in the heap must not be counted, nor set off against it.
  const script = process.argv[1] ?? ''
  const { stdout } = spawnSync(process.execPath, ['--expose-gc', script, '--open', folder.path], {
    encoding: 'utf8',
  })
  folder.remove()
  const { bytes, ...costs } = JSON.parse(stdout) as Omit<Costs, 'bytesPerEntry'> & { readonly bytes: number }
  return { ...costs, bytesPerEntry: bytes / Math.max(depth, 1) }
}

/** Opens a store that was filled before and prints what that and each further operation cost. */
export async function reportOpening(directory: string): Promise<void> {
  const before = await memory()
  const started = performance.now()
  const storage = await openFsStorage({ directory, limits })
  const openMs = performance.now() - started
  const bytes = (await memory()) - before
  const costs = { openMs, bytes, ...(await steps(storage)) }
  await storage.close()
  console.log(JSON.stringify(costs))
}

async function steps(storage: Storage): Promise<{ readonly enqueueUs: number; readonly leaseUs: number }> {
  const enqueue: number[] = []
  const lease: number[] = []
  for (let n = 0; n < 400; n += 1) {
    let started = performance.now()
    await storage.append([draft(`more-${n}`, 'lane-0')])
    enqueue.push(performance.now() - started)
    started = performance.now()
    const leased = await storage.lease({ limit: 1, maxBytes: 1_000_000, ttlMs: 60_000, closedGates: [] })
    lease.push(performance.now() - started)
    if (!isLease(leased)) throw new Error('nothing was ready')
    await storage.settle(
      leased,
      leased.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: header })),
    )
  }
  return { enqueueUs: quantile(enqueue, 0.5) * 1_000, leaseUs: quantile(lease, 0.5) * 1_000 }
}

const draft = (key: string, lane: string): Parameters<Storage['append']>[0][number] => ({
  lane,
  key,
  gate: 'bench',
  header,
  payload,
})

async function memory(): Promise<number> {
  // Buffers are given back a turn after they were found to be garbage.
  for (let turn = 0; turn < 4; turn += 1) {
    globalThis.gc?.()
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + Math.max(external, arrayBuffers)
}
