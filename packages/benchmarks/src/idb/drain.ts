import { openOutbox, type Outcome } from '@fhir-outbox/queue-core'
import { openIdbStorage } from '@fhir-outbox/storage-idb'
import { observation } from '../storage/content.js'
import { emptyWorkbox, removeDatabase, workboxQueue, workboxRequest } from './candidates.js'

const encoder = new TextEncoder()
const entries = 4_000
/** Workbox needs more than a millisecond for each, so fewer will do. */
const theirEntries = 500

/** Delivering waiting entries to a transport that does nothing, with marks, receipts and their chain. */
export async function drainOurs(): Promise<number> {
  const name = 'bench-drain'
  const storage = await openIdbStorage({ name, persist: false })
  await storage.append(
    Array.from({ length: entries }, (_, n) => ({
      lane: 'bench',
      key: `key-${n}`,
      gate: 'bench',
      header: new Uint8Array(),
      payload: encoder.encode(observation(n)),
    })),
  )
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
    defaults: { runEntries: 100, runBytes: 1 << 24 },
  })
  const started = performance.now()
  const { delivered } = await queue.flush()
  const ms = performance.now() - started
  if (delivered !== entries) throw new Error(`${delivered} of ${entries} were delivered`)
  await queue.close()
  await removeDatabase(name)
  return entries / (ms / 1_000)
}

/** Workbox takes a request out of its store before it is sent; nothing of it stays. */
export async function drainWorkbox(): Promise<number> {
  const queue = workboxQueue()
  for (let n = 0; n < theirEntries; n += 1) await queue.pushRequest({ request: workboxRequest() })
  const started = performance.now()
  let shifted = 0
  while ((await queue.shiftRequest()) !== undefined) shifted += 1
  const ms = performance.now() - started
  if (shifted !== theirEntries) throw new Error(`${shifted} of ${theirEntries} were there`)
  await emptyWorkbox()
  return theirEntries / (ms / 1_000)
}
