import { sealStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import { runStorageContract } from '@fhir-outbox/queue-core/storage-contract'
import { deleteDB } from 'idb'
import { describe, it } from 'vitest'
import { openIdbStorage, type IdbStorage, type Locks } from '../../src/index.js'
import { aesCipher, type TestCipher } from './aes-cipher.js'

export interface ContractOptions {
  readonly name: string
  /** `null`: the lease is in the database. */
  readonly locks: Locks | null
  /** Takes the lock from whoever holds it. */
  readonly steal?: (name: string) => void | Promise<void>
  readonly sealed: boolean
}

/** From whoever holds a real Web Lock. */
export async function steal(name: string): Promise<void> {
  await navigator.locks.request(name, { steal: true }, () => undefined)
}

/** Where no lock tells that a drainer is gone, its time must be over. */
const longestMs = 200_000

interface Home {
  readonly below: IdbStorage
  readonly database: string
  readonly cipher: TestCipher
}

/** The contract over whatever IndexedDB there is. */
export function runIdbContract({ name, locks, steal: kill, sealed }: ContractOptions): void {
  let clock = 1_000_000_000_000
  const homes = new WeakMap<QueueStorage, Home>()

  async function open(database: string, cipher: TestCipher): Promise<QueueStorage> {
    const below = await openIdbStorage({
      name: database,
      locks,
      now: () => clock,
      limits: { bytes: 2 ** 31 },
      persist: false,
    })
    const storage = sealed ? sealStorage(below, cipher) : below
    homes.set(storage, { below, database, cipher })
    return storage
  }
  function home(storage: QueueStorage): Home {
    const found = homes.get(storage)
    if (found === undefined) throw new Error('unknown storage')
    return found
  }
  const again = (storage: QueueStorage): Promise<QueueStorage> => {
    const { database, cipher } = home(storage)
    return open(database, cipher)
  }

  runStorageContract({
    name,
    runner: { describe, it },
    create: () => open(`contract-${crypto.randomUUID()}`, aesCipher()),
    elapse: (ms) => {
      clock += ms
    },
    setBack: (ms) => {
      clock -= ms
    },
    reopen: again,
    second: again,
    async crash(storage) {
      await kill?.(`fhir-outbox ${home(storage).database}`)
      if (kill === undefined) clock += longestMs
      return await again(storage)
    },
    destroy: (storage) => deleteDB(home(storage).database),
  })
}
