import { openIdbStorage } from '@fhir-outbox/storage-idb'
import { Queue } from 'workbox-background-sync/Queue.js'
import type { Candidate } from '../measure.js'
import { observation } from '../storage/content.js'

let counter = 0
const encoder = new TextEncoder()
const header = encoder.encode('{"v":1,"method":"POST","path":"Observation"}')
const next = (): string => observation(counter++)

export function removeDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name)
    request.addEventListener('success', () => resolve())
    request.addEventListener('error', () => reject(request.error ?? new Error('not deleted')))
  })
}

async function openOurs(): ReturnType<Candidate['open']> {
  const name = `bench-${counter++}`
  const storage = await openIdbStorage({ name, persist: false })
  return {
    async operation() {
      const key = crypto.randomUUID()
      await storage.append([{ lane: 'bench', key, gate: 'bench', header, payload: encoder.encode(next()) }])
    },
    async close() {
      await storage.close()
      await removeDatabase(name)
    },
  }
}

export const ours: Candidate = { name: 'storage-idb', powerSafe: true, open: openOurs }

const { transaction } = IDBDatabase.prototype

/** What strict commits cost: the same code, with every transaction made relaxed. */
export const oursRelaxed: Candidate = {
  name: 'storage-idb, relaxed',
  powerSafe: false,
  async open() {
    IDBDatabase.prototype.transaction = function relaxed(stores, mode) {
      return transaction.call(this, stores, mode, { durability: 'relaxed' })
    }
    const { operation, close } = await openOurs()
    return {
      operation,
      async close() {
        await close()
        IDBDatabase.prototype.transaction = transaction
      },
    }
  },
}

function openBare(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name)
    request.addEventListener('upgradeneeded', () => {
      request.result.createObjectStore('queue', { autoIncrement: true })
    })
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', () => reject(request.error ?? new Error('not opened')))
  })
}

function committed(writing: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    writing.addEventListener('complete', () => resolve())
    writing.addEventListener('abort', () => reject(writing.error ?? new Error('aborted')))
  })
}

/** The limit for one caller: a strict transaction with one put, without key, counters or audit. */
export const bareSingle: Candidate = {
  name: 'bare strict put',
  powerSafe: true,
  async open() {
    const name = `bench-${counter++}`
    const database = await openBare(name)
    return {
      async operation() {
        const writing = database.transaction('queue', 'readwrite', { durability: 'strict' })
        writing.objectStore('queue').put(encoder.encode(next()))
        await committed(writing)
      },
      async close() {
        database.close()
        await removeDatabase(name)
      },
    }
  },
}

function bareGroupsWith(durability: 'strict' | 'relaxed'): Candidate {
  return {
    name: `bare ${durability} groups`,
    powerSafe: durability === 'strict',
    async open() {
      const name = `bench-${counter++}`
      const database = await openBare(name)
      let waiting: { readonly bytes: Uint8Array; readonly resolve: () => void }[] = []
      let running = false
      async function commit(): Promise<void> {
        running = true
        await Promise.resolve()
        while (waiting.length > 0) {
          const group = waiting
          waiting = []
          const writing = database.transaction('queue', 'readwrite', { durability })
          writing.objectStore('queue').put(group.map(({ bytes }) => bytes))
          await committed(writing)
          for (const { resolve } of group) resolve()
        }
        running = false
      }
      return {
        operation: () =>
          new Promise((resolve) => {
            waiting.push({ bytes: encoder.encode(next()), resolve })
            if (!running) void commit()
          }),
        async close() {
          database.close()
          await removeDatabase(name)
        },
      }
    },
  }
}

/** The limit for many: whoever waits shares a strict transaction, and one record in it. */
export const bareGroups: Candidate = bareGroupsWith('strict')

/** Beside the limit it tells what a strict commit costs on this disk, whatever is written. */
export const bareGroupsRelaxed: Candidate = bareGroupsWith('relaxed')

// Workbox expects the scope of a service worker; of its registration it only asks whether it can sync.
Object.assign(globalThis, { registration: {} })

export function workboxQueue(): Queue {
  return new Queue(`bench-${counter++}`, { onSync: () => Promise.resolve() })
}

export function workboxRequest(url = '/fhir/Observation'): Request {
  return new Request(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/fhir+json' },
    body: next(),
  })
}

/** Workbox keeps all its queues in one database, so it cannot be removed between rounds, only emptied. */
export async function emptyWorkbox(): Promise<void> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open('workbox-background-sync')
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', () => reject(request.error ?? new Error('not opened')))
  })
  const writing = database.transaction('requests', 'readwrite')
  writing.objectStore('requests').clear()
  await committed(writing)
  database.close()
}

export const workbox: Candidate = {
  name: 'Workbox',
  powerSafe: false,
  async open() {
    const queue = workboxQueue()
    return {
      operation: () => queue.pushRequest({ request: workboxRequest() }),
      close: emptyWorkbox,
    }
  },
}
