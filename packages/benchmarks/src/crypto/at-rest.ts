import { createRecordCipher } from '@fhir-outbox/envelope-crypto'
import { sealStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import { openFsStorage } from '@fhir-outbox/storage-fs'
import type { Candidate } from '../measure.js'
import { observation } from '../storage/content.js'
import { freshFolder } from '../storage/folder.js'

const encoder = new TextEncoder()
let counter = 0

/** Durable enqueues into storage-fs, as it is or sealed. */
function enqueuing(name: string, wrap: (storage: QueueStorage) => QueueStorage): Candidate {
  return {
    name,
    powerSafe: true,
    async open() {
      const folder = freshFolder()
      const storage = wrap(await openFsStorage({ directory: folder.path }))
      const header = encoder.encode('{"v":1,"method":"POST","path":"Observation"}')
      return {
        async operation() {
          const n = counter++
          const key = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
          await storage.append([
            { lane: 'bench', key, gate: 'bench', header, payload: encoder.encode(observation(n)) },
          ])
        },
        async close() {
          await storage.close()
          folder.remove()
        },
      }
    },
  }
}

export const plain: Candidate = enqueuing('storage-fs, plain', (storage) => storage)

export const sealed: Candidate = enqueuing('storage-fs, sealed', (storage) =>
  sealStorage(
    storage,
    createRecordCipher({ keyId: 'bench', key: crypto.getRandomValues(new Uint8Array(32)) }),
  ),
)
