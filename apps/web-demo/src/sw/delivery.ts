import { openDataQueue, openEncryptedDataQueue } from '@fhir-outbox/data-queue'
import { kySender } from '@fhir-outbox/fhir-client'
import { sealStorage } from '@fhir-outbox/queue-core'
import { openIdbStorage } from '@fhir-outbox/storage-idb'
import type { Deliverer } from '@fhir-outbox/storage-idb/service-worker'
import { clientOf } from '../queue/client.js'
import { deviceCipher } from '../queue/device-keys.js'
import { enterKeyRoom } from '../queue/key-room.js'
import { chosenEndpoint } from '../queue/envelope-settings.js'
import { keptLogin, openLoginStore } from '../queue/logins.js'
import { receiverHabits } from '../queue/receiver-habits.js'
import { readServerNote } from '../queue/server-note.js'
import { allStores, type StoreChoice } from '../queue/store-name.js'

export interface DeliveryPlace {
  /** FHIR base of the demo server. */
  readonly demoUrl: string
  /** Answers a request to the demo server: a service worker does not hear its own requests. */
  readonly answer: (request: Request) => Promise<Response>
}

/** Delivers from every outbox of this browser that no tab is delivering from. */
export async function openDelivery(place: DeliveryPlace): Promise<Deliverer> {
  const stores = await allStores()
  return {
    async flush() {
      let waiting = 0
      for (const [name, store] of stores) {
        // One that cannot be opened must not keep the others; it is tried again with the next delivery.
        waiting += await deliverFrom(name, store, place).catch(() => 1)
      }
      return { waiting }
    },
    close: () => Promise.resolve(),
  }
}

async function deliverFrom(
  name: string,
  { kind, sealed, baseUrl = '' }: StoreChoice,
  { demoUrl, answer }: DeliveryPlace,
): Promise<number> {
  const guest = sealed ? await enterKeyRoom(() => undefined) : undefined
  const records = await openIdbStorage({ name, persist: false })
  try {
    if ((await records.stats()).waiting === 0) return 0
    const logins = await openLoginStore()
    const url = kind === 'demo' ? demoUrl : baseUrl
    const login = await keptLogin(logins, url)
    const send = kind === 'demo' ? kySender({ fetch: fetchFrom(answer) }) : undefined
    const storage = sealed ? sealStorage(records, await deviceCipher()) : records
    const { searchLagMs, receiver = await chosenEndpoint(storage) } = await readServerNote(storage)
    const options = {
      storage,
      ...clientOf(url, () => login, send),
      ...(searchLagMs === undefined ? {} : { searchLagMs }),
    }
    const queue =
      receiver === undefined
        ? openDataQueue(options)
        : openEncryptedDataQueue({
            ...options,
            encryption: {
              ...receiverHabits,
              client: clientOf(receiver, () => login, send).fhir,
              sealer: sealsNothing,
            },
          })
    try {
      return (await queue.flush()).waiting
    } finally {
      await queue.close()
      logins.close()
    }
  } finally {
    await records.close()
    guest?.leave()
  }
}

/** Envelopes were sealed when they were stored. */
const sealsNothing = { seal: () => Promise.reject(new TypeError('Nothing is sealed here.')) }

function fetchFrom(answer: DeliveryPlace['answer']): typeof fetch {
  return async (input, init) => {
    const response = await answer(new Request(input, init))
    if (response.type === 'error') throw new TypeError('The demo server gave no answer.')
    return response
  }
}
