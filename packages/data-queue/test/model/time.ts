import { memoryStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import { onTestFinished } from 'vitest'
import { openDataQueue, type DataQueue, type DataQueueEvent, type DataQueueOptions } from '../../src/index.js'
import { fakeTime, type FakeTime } from './fake-time.js'
import { modelServer, type Behaviour, type ModelServer } from './server.js'

export interface World {
  readonly time: FakeTime
  readonly server: ModelServer
  readonly storage: QueueStorage
  readonly queue: DataQueue
  readonly events: DataQueueEvent[]
}

/** A queue in front of a modelled server, in time of its own. */
export function world(behaviour: Partial<Behaviour> = {}, options: Partial<DataQueueOptions> = {}): World {
  const time = fakeTime()
  const server = modelServer(behaviour, time.now)
  const storage = memoryStorage({ now: time.now })
  const { scope } = behaviour
  const queue = openDataQueue({
    storage,
    fhir: server.client,
    environment: time.environment,
    ...(scope === undefined ? {} : { tokens: { getToken: async () => ({ scope }) } }),
    ...options,
  })
  const events: DataQueueEvent[] = []
  queue.subscribe((event) => events.push(event))
  onTestFinished(() => queue.close())
  return { time, server, storage, queue, events }
}

export const hour = 60 * 60_000
