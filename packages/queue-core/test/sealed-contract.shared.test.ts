import { describe, it } from 'vitest'
import { memoryStorage, sealStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import { runStorageContract } from '@fhir-outbox/queue-core/storage-contract'
import { memoryData, memoryHandle, type MemoryData } from '../src/memory-storage.js'
import { aesCipher, atOnceCipher, type TestCipher } from './aes-cipher.js'

let clock = 1_000_000_000
const now = (): number => clock
const elapse = (ms: number): void => {
  clock += ms
}

runStorageContract({
  name: 'sealed memory, by a cipher that answers at once',
  runner: { describe, it },
  create: async () => sealStorage(memoryStorage({ now }), atOnceCipher()),
  elapse,
})

// The same over memory that outlives its handles: reopened, crashed and shared.
interface Sealed {
  readonly data: MemoryData
  readonly cipher: TestCipher
}
const behind = new WeakMap<QueueStorage, Sealed>()

function handle(sealed: Sealed): QueueStorage {
  const below = memoryHandle(sealed.data, {
    durability: 'power-loss',
    appenders: 'many',
    drainers: 'many',
    evictable: false,
  })
  const storage = sealStorage(below, sealed.cipher)
  behind.set(storage, sealed)
  return storage
}

function sealedBehind(storage: QueueStorage): Sealed {
  const sealed = behind.get(storage)
  if (sealed === undefined) throw new Error('not one of ours')
  return sealed
}

async function reopen(storage: QueueStorage): Promise<QueueStorage> {
  const sealed = sealedBehind(storage)
  sealed.data.index.abandonLeases(sealed.data.now())
  return handle(sealed)
}

runStorageContract({
  name: 'sealed memory that survives',
  runner: { describe, it },
  create: async () => handle({ data: memoryData({ now }), cipher: aesCipher() }),
  elapse,
  setBack: (ms) => elapse(-ms),
  reopen,
  second: async (storage) => handle(sealedBehind(storage)),
  damage(storage, sequence) {
    const payload = sealedBehind(storage).data.records.get(sequence)?.payload
    if (payload === undefined) throw new Error('no record')
    payload[0] = (payload[0] ?? 0) ^ 1
  },
  crash: reopen,
})
