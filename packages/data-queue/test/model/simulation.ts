import type { SendRequest } from '@fhir-outbox/fhir-client'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import type { QueueStorage } from '@fhir-outbox/queue-core'
import { seededRandom, survivingMemory, type SeededRandom } from '@fhir-outbox/queue-core/simulation'
import { openDataQueue, type DataQueue, type DataQueueOptions } from '../../src/index.js'
import { fakeTime } from './fake-time.js'
import { modelServer, type Behaviour, type Mishap, type ModelServer } from './server.js'

/** What came of one seed. */
export interface DeliveryReport {
  readonly seed: number
  readonly accepted: number
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  /** Entries that were sent before what they refer to. */
  readonly dangling: number
  readonly stuck: number
  readonly crashes: number
  readonly parked: number
  readonly ok: boolean
  readonly troubles: Readonly<Record<string, number>>
}

/** Options of `simulateDelivery`. */
export interface SimulateDeliveryOptions {
  readonly seed: number
  /** Stands between the queue and its store, to break it on purpose. */
  readonly wrapStorage?: (storage: QueueStorage) => QueueStorage
  readonly log?: (line: string) => void
}

const minute = 60_000
const troubledMs = 15 * minute
/** Few, so that thousands of seeds are cheap; a third of them come in bursts, so that bundles form. */
const writes = 18
const base = 'https://model.example/fhir'

/** Any server but one that lies and cannot be asked: no queue can tell the truth about that one. */
function anyBehaviour(random: SeededRandom): Partial<Behaviour> {
  const pick = <T>(...all: readonly T[]): T => all[random.between(0, all.length - 1)] as T
  const search = pick('works', 'works', 'works', 'forbidden', 'ignores-parameters', 'blind')
  return {
    conditionalCreate: pick('honoured', 'honoured', 'ignored', 'refused'),
    clientIds: random.chance(0.5),
    ifNoneMatch: random.chance(0.5),
    transactions: pick('atomic', 'atomic', 'batch'),
    mostConditional: pick(8, Infinity),
    mostEntries: pick(7, Infinity),
    statement: search === 'works' ? pick('truth', 'truth', 'boast', 'modest', 'none') : pick('truth', 'none'),
    search,
    searchLagMs: pick(0, 0, 3_000),
    poison: pick(
      { status: 422, issue: 'invariant', named: false },
      { status: 400, issue: 'structure', named: true },
    ),
  }
}

/** A queue, its delivery and a modelled server through a quarter of an hour of troubles, then two days of peace. */
export async function simulateDelivery({
  seed,
  wrapStorage = (storage) => storage,
  log,
}: SimulateDeliveryOptions): Promise<DeliveryReport> {
  const random = seededRandom(seed)
  const time = fakeTime()
  const began = time.now()
  const troubled = (): boolean => time.now() - began < troubledMs
  const behaviour = anyBehaviour(random)
  log?.(JSON.stringify(behaviour))
  const server = modelServer(behaviour, time.now)
  const store = survivingMemory({ seed, now: time.now, random: seededRandom(seed ^ 0x5eed) })
  const troubles: Record<string, number> = {}
  /** Timers of a process that has died never ring. */
  function environmentOf(mine: number): DataQueueOptions['environment'] {
    return {
      ...time.environment,
      random: () => random.next(),
      uuid: () => random.uuid(),
      setTimer: (fn, ms) =>
        time.environment.setTimer(() => {
          if (mine === generation) fn()
        }, ms),
    }
  }
  const options: Partial<DataQueueOptions> = {
    ...(random.chance(0.5) ? { canaries: { uuid: () => random.uuid() } } : {}),
    transactions: random.chance(0.5) ? 'trusted' : 'proven',
    bundle: { entries: random.between(2, 20) },
  }
  let generation = 0
  let outageUntil = 0
  let outage: Mishap = 'refused'
  let crashSoon = false

  function mishapOf(): Mishap | 'late' | undefined {
    if (!troubled()) return undefined
    if (time.now() < outageUntil) return outage
    if (random.chance(0.02)) {
      outageUntil = time.now() + random.between(1_000, 5 * minute)
      outage = random.chance(0.5) ? 'refused' : databaseAway
      return outage
    }
    const dice: readonly (readonly [Mishap | 'late', number])[] = [
      ['lost-before', 0.04],
      ['lost-after', 0.08],
      ['truncated', 0.03],
      ['500-after', 0.03],
      ['late', 0.03],
      [{ status: 429, headers: { 'retry-after': '3' } }, 0.03],
      [{ status: 503 }, 0.03],
    ]
    return dice.find(([, share]) => random.chance(share))?.[0]
  }

  function sender(mine: number) {
    return async (request: SendRequest): Promise<Response> => {
      // A dead process sends nothing and hears nothing.
      const dead = (): Promise<Response> => new Promise(() => undefined)
      if (mine !== generation) return dead()
      const mishap = mishapOf()
      if (mishap !== undefined) {
        const name = nameOf(mishap)
        troubles[name] = (troubles[name] ?? 0) + 1
      }
      log?.(`${time.now() - began} ${told(request)} ${mishap === undefined ? '' : nameOf(mishap)}`)
      if (mishap === 'late') {
        time.environment.setTimer(() => void server.send(request).catch(() => undefined), 1_000)
        throw Object.assign(new Error('late'), { code: 'ERR_NETWORK', sent: 'maybe' })
      }
      server.mishap = () => mishap
      if (crashSoon && request.method !== 'GET') {
        crashSoon = false
        generation++
        if (random.chance(0.5)) await server.send(request).catch(() => undefined)
        return dead()
      }
      return server.send(request)
    }
  }

  async function open(): Promise<DataQueue> {
    const mine = generation
    const opened = openDataQueue({
      storage: wrapStorage(await store.open()),
      fhir: createFhirClient({ baseUrl: base, send: sender(mine), now: time.now }),
      environment: environmentOf(mine),
      ...options,
    })
    opened.start()
    return opened
  }

  const wishes: {
    readonly key: string
    readonly sequence: number
    readonly lane: string
    readonly ordered: boolean
    readonly target?: string
  }[] = []
  const givenUp = new Set<string>()
  const wasDead = new Set<string>()
  let crashes = 0
  let seenGeneration = generation
  let queue = await open()
  for (let step = 0; step < writes; step++) {
    const target = random.chance(0.2) ? random.pick(wishes) : undefined
    const lane = `lane ${random.between(1, 2)}`
    const ordered = random.chance(0.8)
    const text = random.chance(0.05) ? `poison ${step}` : `n${step}`
    const resource = {
      resourceType: 'Observation',
      status: 'final',
      code: { text },
      ...(target === undefined ? {} : { derivedFrom: [{ reference: `urn:uuid:${target.key}` }] }),
    }
    try {
      const { key, sequence } = await queue.enqueue(resource, { lane, ordered })
      wishes.push({ key, sequence, lane, ordered, ...(target === undefined ? {} : { target: target.key }) })
    } catch (error) {
      // What it refers to has been given an end without an id: then nobody accepts it.
      if (!(error instanceof Error && 'code' in error && error.code === 'ERR_UNRESOLVED_REFERENCE'))
        throw error
    }
    if (random.chance(0.08)) crashSoon = true
    if (random.chance(1 / 3)) continue
    await time.pass(random.between(1, (2 * troubledMs) / writes))
    if (generation !== seenGeneration) {
      seenGeneration = generation
      crashes++
      log?.(`${time.now() - began} crash`)
      await store.crash()
      await time.pass(random.between(0, minute))
      queue = await open()
    }
  }
  crashSoon = false
  let parked = 0
  let early = 0
  for (let round = 0; round < 24; round++) {
    await time.pass(2 * 60 * minute)
    if (generation !== seenGeneration) {
      seenGeneration = generation
      await store.crash()
      queue = await open()
    }
    for await (const { key, sequence, deadReason } of queue.deadLetters()) {
      wasDead.add(key)
      const by = { actor: 'simulation', reason: 'it looked' }
      log?.(`${time.now() - began} dead ${sequence} ${String(deadReason)}`)
      if (deadReason === 'parked') {
        parked++
        if (server.created.includes(key)) await queue.assumeDelivered(sequence, by)
        else await queue.redrive(sequence, by)
      } else {
        // Only what somebody took for delivered has no id to refer to; anything else was sent too early.
        const target = wishes.find((wish) => wish.key === key)?.target
        const text = new TextDecoder().decode((await queue.outbox.read(sequence))?.note)
        if (target !== undefined && !wasDead.has(target) && text.includes('ERR_UNRESOLVED_REFERENCE')) early++
        await queue.discard(sequence, by)
        givenUp.add(key)
      }
    }
    await withdrawHeld(queue, givenUp)
    const { waiting, dead } = await queue.stats()
    if (waiting === 0 && dead === 0) break
  }
  const { waiting, dead, accepted } = await queue.stats()
  const count = (key: string): number => server.created.filter((one) => one === key).length
  const kept = wishes.filter(({ key }) => !givenUp.has(key))
  const report = {
    seed,
    accepted,
    lost: kept.filter(({ key }) => count(key) === 0).length,
    duplicated: wishes.filter(({ key }) => count(key) > 1).length,
    reordered: reorderings(
      server,
      wishes.filter(({ key, ordered }) => ordered && !wasDead.has(key)),
    ),
    dangling: danglings(server) + early,
    stuck: waiting + dead,
    crashes,
    parked,
    troubles,
  }
  generation++
  await queue.close()
  const broken = report.lost + report.duplicated + report.reordered + report.dangling + report.stuck
  return { ...report, ok: broken === 0 }
}

function nameOf(mishap: Mishap | 'late'): string {
  return typeof mishap === 'object' ? String(mishap.status) : mishap
}

/** A request in one line: what it is and which keys it carries. */
function told({ method, url, body, headers }: SendRequest): string {
  const text = body instanceof Uint8Array ? new TextDecoder().decode(body) : (body ?? '')
  const keys = [...text.matchAll(/"value":"urn:uuid:([0-9a-f]{8})/g)].map(([, key]) => key)
  const condition =
    new Headers(headers).has('if-none-exist') || text.includes('ifNoneExist') ? ' conditional' : ''
  return `${method} ${new URL(url).pathname}${condition} ${keys.join(' ')}`
}

const databaseAway: Mishap = {
  status: 400,
  headers: { 'content-type': 'application/fhir+json' },
  body: '{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}',
}

/** What is after something that was given up can never go, and somebody has to say so. */
async function withdrawHeld(queue: DataQueue, givenUp: Set<string>): Promise<void> {
  for await (const { key, sequence, heldBy } of queue.outbox.list({ state: 'waiting' })) {
    if (heldBy === undefined || (await queue.outbox.read(heldBy))?.state !== 'discarded') continue
    await queue.outbox.withdraw(sequence, { actor: 'simulation', reason: 'its target was given up' })
    givenUp.add(key)
  }
}

function reorderings(
  server: ModelServer,
  wishes: readonly { readonly key: string; readonly sequence: number; readonly lane: string }[],
): number {
  let count = 0
  for (const lane of new Set(wishes.map((wish) => wish.lane))) {
    const places = wishes
      .filter((wish) => wish.lane === lane && server.created.includes(wish.key))
      .map(({ key }) => server.created.indexOf(key))
    count += places.filter((place, index) => index > 0 && place < (places[index - 1] ?? 0)).length
  }
  return count
}

/** References at the server that were never turned into ids. */
function danglings(server: ModelServer): number {
  return [...server.store.values()].filter(({ resource }) =>
    JSON.stringify(resource['derivedFrom'] ?? []).includes('urn:uuid:'),
  ).length
}
