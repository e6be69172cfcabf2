import { openDataQueue, openEncryptedDataQueue, type DataQueue } from '@fhir-outbox/data-queue'
import type { FhirClient } from '@fhir-outbox/fhir-client'
import { sealStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import { openIdbStorage } from '@fhir-outbox/storage-idb'
import { receiverAt, type ServerChoice } from '../platform/server.js'
import { createStore, type Store } from '../platform/store.js'
import { clientOf } from './client.js'
import { deviceCipher } from './device-keys.js'
import { chosenEndpoint } from './envelope-settings.js'
import { openEnvelopes, type Envelopes } from './envelopes.js'
import { enterKeyRoom, type Guest } from './key-room.js'
import type { Login } from './logins.js'
import { receiverHabits } from './receiver-habits.js'
import { keepServerNote } from './server-note.js'
import type { SignIn } from './sign-in.js'
import { storeName } from './store-name.js'

/** What the whole page works with. */
export interface Session {
  readonly server: ServerChoice
  readonly fhir: FhirClient
  readonly queue: DataQueue
  /** `undefined` where the browser keeps no secrets: without https. */
  readonly signIn: SignIn | undefined
  readonly envelopes: Envelopes
  /** The store as it lies in the browser, sealed or not. */
  readonly records: QueueStorage
  /** While the outbox is sealed: keeps the keys as they are. */
  readonly keyRoom: Guest | undefined
  /** The browser has promised not to throw the store away when space gets short. */
  readonly persistent: boolean
  /** This tab is the one that delivers. */
  readonly delivering: Store<boolean>
  /** Why the store cannot be used any more; the page must be loaded again. */
  readonly lost: Store<string | undefined>
}

/** Opens the store of this server and delivers from it in the background. */
export async function openSession(
  server: ServerChoice,
  signIn: SignIn | undefined,
  onBlocked: () => void,
): Promise<Session> {
  const keyRoom = server.sealed ? await enterKeyRoom(() => location.reload()) : undefined
  const records = await openIdbStorage({ name: storeName(server), onBlocked })
  const delivering = createStore(false)
  const lost = createStore<string | undefined>(undefined)
  records.subscribe((event) => {
    if (event.type === 'draining') delivering.set(true)
    else lost.set(event.error.message)
  })
  const storage = server.sealed ? sealStorage(records, await deviceCipher()) : records
  const login = (): Login | undefined => signIn?.login.get()
  const { fhir, tokens } = clientOf(server.baseUrl, login)
  const { searchLagMs } = server
  const kept = await keepServerNote(storage, server)
  const endpoint = kept.receiver ?? (await chosenEndpoint(storage))
  const receiver = endpoint === undefined ? undefined : receiverAt(endpoint)
  const options = { storage, fhir, tokens, ...(searchLagMs === undefined ? {} : { searchLagMs }) }
  const envelopes = await openEnvelopes(storage, receiver)
  // Also while envelopes are off: there may be some that wait.
  const queue =
    receiver === undefined
      ? openDataQueue(options)
      : openEncryptedDataQueue({
          ...options,
          encryption: {
            ...receiverHabits,
            sealer: envelopes.sealer,
            shouldEncrypt: envelopes.on,
            client: clientOf(receiver.endpoint, login).fhir,
          },
        })
  queue.start()
  const persistent = !storage.supports.evictable
  return { server, fhir, queue, signIn, envelopes, records, keyRoom, persistent, delivering, lost }
}
