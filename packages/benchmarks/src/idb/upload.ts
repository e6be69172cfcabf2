import { openDataQueue } from '@fhir-outbox/data-queue'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import { openIdbStorage } from '@fhir-outbox/storage-idb'
import { observation } from '../storage/content.js'
import { emptyWorkbox, removeDatabase, workboxQueue, workboxRequest } from './candidates.js'

/** For both sides: enough for ten bundles. */
const resources = 1_000
const bundled = 100

/** Resources a second; all of them must have arrived at the server, once. */
async function rateOf(server: string, deliver: () => Promise<void>): Promise<number> {
  await (await fetch(`${server}/arrived`)).json()
  const started = performance.now()
  await deliver()
  const seconds = (performance.now() - started) / 1_000
  const arrived: unknown = await (await fetch(`${server}/arrived`)).json()
  if (arrived !== resources) throw new Error(`${String(arrived)} of ${resources} have arrived`)
  return resources / seconds
}

/** A full queue, delivered in order, in transactions: with marks, the server's answers as receipts, and their chain. */
export async function uploadOurs(server: string): Promise<number> {
  const name = 'bench-upload'
  const queue = openDataQueue({
    storage: await openIdbStorage({ name, persist: false }),
    fhir: createFhirClient({ baseUrl: server }),
    transactions: 'trusted',
    bundle: { entries: bundled },
  })
  await queue.enqueueAll(Array.from({ length: resources }, (_, n) => ({ resource: observation(n) })))
  // What the server can do is asked once in a day, not once per delivery.
  await queue.plan()
  const rate = await rateOf(server, async () => {
    const { delivered } = await queue.flush()
    if (delivered !== resources) throw new Error(`${delivered} of ${resources} were delivered`)
  })
  await queue.close()
  await removeDatabase(name)
  return rate
}

/** Workbox takes a request out of its store, then sends it, one after the other; nothing of it stays. */
export async function uploadWorkbox(server: string): Promise<number> {
  const queue = workboxQueue()
  for (let n = 0; n < resources; n += 1) {
    await queue.pushRequest({ request: workboxRequest(`${server}/Observation`) })
  }
  const rate = await rateOf(server, () => queue.replayRequests())
  await emptyWorkbox()
  return rate
}
