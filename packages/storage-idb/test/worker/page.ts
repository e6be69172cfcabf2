import { openIdbStorage } from '../../src/index.js'
import { requestDelivery, type BackgroundMessage } from '../../src/service-worker/index.js'
import { database } from './messages.js'

/** What the test calls in a page: it appends, and leaves delivering to the service worker. */
const tools = {
  told: [] as BackgroundMessage[],
  async append(gate: string, keys: readonly string[]): Promise<void> {
    const storage = await openIdbStorage({ name: database })
    const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
    const drafts = keys.map((key) => {
      const resource = { resourceType: 'Observation', id: key, status: 'final', code: { text: key } }
      return {
        lane: gate,
        gate,
        key,
        header: encode('Observation'),
        payload: encode(JSON.stringify(resource)),
      }
    })
    await storage.append(drafts)
    await storage.close()
  },
  async counts(): Promise<Record<string, number>> {
    const storage = await openIdbStorage({ name: database })
    const { accepted, delivered, unknown, waiting } = await storage.stats()
    await storage.close()
    return { accepted, delivered, unknown, waiting }
  },
  /** As where there is no Background Sync. */
  async byMessage(): Promise<string> {
    const { active } = await navigator.serviceWorker.ready
    return await requestDelivery({ registration: { active } })
  },
}

declare global {
  var page: typeof tools
}

navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<BackgroundMessage>) => {
  tools.told.push(data)
})
navigator.serviceWorker.startMessages()
globalThis.page = tools
await navigator.serviceWorker.register('/worker.js')
await navigator.serviceWorker.ready
