import { QueueError } from '../errors.js'
import { openOutbox } from '../outbox/outbox.js'
import type { Outbox } from '../outbox/types.js'
import type { OutboxDefaults } from '../outbox/defaults.js'
import type { QueueStorage } from '../storage-port.js'
import type { SeededRandom } from '../internal/random.js'
import type { SimulatedServer } from './server.js'
import { createActor, type Actor, type Timeline } from './timeline.js'
import { simulatedTransport } from './transport.js'

/** What a process of the simulation runs on. */
export interface ProcessWorld {
  readonly timeline: Timeline
  readonly random: SeededRandom
  readonly server: SimulatedServer
  readonly defaults: Partial<OutboxDefaults>
  /** Share of storage calls that fail before they have done anything. */
  readonly storageFaults: number
  readonly troubled: () => boolean
  /** Tells about everything that happens. */
  readonly log: (line: string) => void
  /** A request is about to leave. */
  readonly hasSent: (actor: Actor) => void
}

/** A process with an outbox in it. It can sleep, and be killed. */
export interface SimulatedProcess {
  readonly actor: Actor
  readonly outbox: Outbox
}

/**
 * The storage as one process sees it: calls take time, one real call runs at a time, and a dead process neither
 * makes calls nor hears of their answers.
 */
function storageFor(actor: Actor, storage: QueueStorage, world: ProcessWorld): QueueStorage {
  const { timeline, random } = world

  async function call<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    await timeline.wait(random.between(0, 20), actor)
    const fails = random.chance(world.storageFaults) && world.troubled()
    world.log(`${actor.name} ${name}${fails ? ' fails' : ''}`)
    if (fails) {
      throw new QueueError('ERR_STORAGE_FAILED', 'simulated', { hint: 'Nothing was done. Try again.' })
    }
    // Caught and passed on, so that the answer of a dead process is not left unhandled.
    const answer = await timeline.during(work()).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    )
    await timeline.wait(random.between(0, 5), actor)
    if ('error' in answer) throw answer.error
    return answer.value
  }

  return {
    supports: storage.supports,
    append: (drafts) => call('append', () => storage.append(drafts)),
    lease: (request) => call('lease', () => storage.lease(request)),
    mark: (lease, notes) => call('mark', () => storage.mark(lease, notes)),
    renew: (lease, ttlMs) => call('renew', () => storage.renew(lease, ttlMs)),
    settle: (lease, settlements) => call('settle', () => storage.settle(lease, settlements)),
    read: (sequence) => call('read', () => storage.read(sequence)),
    list: (query) => call('list', () => storage.list(query)),
    decide: (sequence, decision) => call('decide', () => storage.decide(sequence, decision)),
    notes: {
      get: (name) => call('notes.get', () => storage.notes.get(name)),
      put: (name, bytes, version) => call('notes.put', () => storage.notes.put(name, bytes, version)),
    },
    watch: (listener) => storage.watch(() => timeline.after(0, actor, listener)),
    ...(storage.hurry === undefined
      ? {}
      : { hurry: () => call('hurry', async () => await storage.hurry?.()) }),
    stats: () => call('stats', () => storage.stats()),
    sync: () => call('sync', () => storage.sync()),
    close: async () => undefined,
  }
}

export function startProcess(name: string, storage: QueueStorage, world: ProcessWorld): SimulatedProcess {
  const { timeline, random, server } = world
  const actor = createActor(name)
  const outbox = openOutbox({
    storage: storageFor(actor, storage, world),
    transport: simulatedTransport({ actor, server, random }),
    defaults: { lanes: 3, ...world.defaults },
    environment: {
      now: () => timeline.now(),
      wallClock: () => 1_700_000_000_000 + timeline.now(),
      random: () => random.next(),
      setTimer: (fn, ms) => timeline.after(ms, actor, fn),
      uuid: () => random.uuid(),
    },
  })
  outbox.subscribe((event) => {
    const sequence = 'sequence' in event ? ` ${event.sequence}` : ''
    world.log(`${name} ${event.type}${sequence}`)
    if (event.type === 'sent') world.hasSent(actor)
  })
  outbox.start()
  return { actor, outbox }
}
