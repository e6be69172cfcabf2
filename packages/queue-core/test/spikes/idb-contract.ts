import type { QueueStorage } from '@fhir-outbox/queue-core'
import { runStorageContract } from '@fhir-outbox/queue-core/storage-contract'
import { deleteDB } from 'idb'
import { afterEach, describe, it } from 'vitest'
import type { Locks } from './indexed-db/locks.js'
import { openIndexedDbSpike, type IndexedDbSpike } from './indexed-db/storage.js'

/** The contract over whatever IndexedDB there is. */
export function runIndexedDbContract(name: string, locks: Locks): void {
  let clock = 0
  const homes = new Map<QueueStorage, { spike: IndexedDbSpike; database: string }>()

  async function open(database: string): Promise<QueueStorage> {
    const spike = await openIndexedDbSpike({ name: database, locks, now: () => clock })
    homes.set(spike, { spike, database })
    return spike
  }
  function home(storage: QueueStorage): { spike: IndexedDbSpike; database: string } {
    const found = homes.get(storage)
    if (found === undefined) throw new Error('unknown storage')
    return found
  }

  describe('IndexedDB spike', () => {
    afterEach(async () => {
      const databases = new Set([...homes.values()].map(({ database }) => database))
      homes.clear()
      for (const database of databases) await deleteDB(database)
    })
    runStorageContract({
      name,
      runner: { describe, it },
      create: () => open(`spike-${crypto.randomUUID()}`),
      elapse: (ms) => {
        clock += ms
      },
      reopen: (storage) => open(home(storage).database),
      second: (storage) => open(home(storage).database),
      crash: async (storage) => {
        const { spike, database } = home(storage)
        spike.die()
        return await open(database)
      },
    })
  })
}
