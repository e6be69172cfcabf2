import { describe, expect, it, onTestFinished } from 'vitest'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import { memoryStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import { openDataQueue, type DataQueue, type DataQueueOptions } from '../src/index.js'
import { observation } from './bench.js'

interface Set {
  readonly queue: DataQueue
  /** What happened, in order: `mark 1`, `post 1`. */
  readonly log: string[]
}

/** A server that creates whatever it gets, after `before` of the n-th POST; every mark and POST is written down. */
function open(
  before: (post: number, log: readonly string[]) => Promise<void> | void,
  options: Partial<DataQueueOptions> = {},
  statement?: object,
): Set {
  const log: string[] = []
  const memory = memoryStorage()
  const storage: QueueStorage = {
    ...memory,
    async mark(lease, notes) {
      await memory.mark(lease, notes)
      // As a disk does, it takes its time.
      await turns(3)
      log.push(`mark ${notes.map(({ sequence }) => sequence).join(' ')}`)
    },
  }
  let posts = 0
  const send = async ({
    method,
    url,
  }: {
    readonly method: string
    readonly url: string
  }): Promise<Response> => {
    if (url.includes('metadata') && statement !== undefined) return Response.json(statement)
    if (method !== 'POST')
      return Response.json({ resourceType: 'OperationOutcome', issue: [] }, { status: 404 })
    const post = ++posts
    log.push(`post ${post}`)
    await before(post, log)
    return new Response(null, { status: 201, headers: { location: `Observation/o${post}/_history/1` } })
  }
  const queue = openDataQueue({
    storage,
    fhir: createFhirClient({ baseUrl: 'https://fhir.example.org', send }),
    plan: 'conditional-create',
    transactions: 'never',
    ...options,
  })
  onTestFinished(() => queue.close())
  return { queue, log }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

describe('one request ahead', () => {
  it('is marked while the present one is on its way', async () => {
    const { queue, log } = open((post) => until(() => log.includes(`mark ${post + 1}`) || post === 3))
    for (const text of ['a', 'b', 'c']) await queue.enqueue(observation(text))
    expect(await queue.flush()).toMatchObject({ delivered: 3 })
    // The first answer taught something about the server: what was prepared before is prepared anew.
    expect(log).toEqual(['mark 1', 'post 1', 'mark 2', 'mark 2', 'post 2', 'mark 3', 'post 3'])
  })

  it('is not marked where a lost answer is left to a person', async () => {
    const early: boolean[] = []
    const { queue, log } = open(async () => {
      await turns(20)
      early.push(log.includes('mark 2'))
    })
    const bytes = new TextEncoder().encode('a')
    for (let count = 0; count < 2; count++) await queue.binary(bytes, 'text/plain', { wait: 0 })
    await queue.flush()
    expect(log).toEqual(['mark 1', 'post 1', 'mark 2', 'post 2'])
    expect(early).toEqual([false, true])
  })

  it('does not leave before its mark is durable, alone or in a Bundle', async () => {
    const statement = {
      resourceType: 'CapabilityStatement',
      rest: [{ mode: 'server', interaction: [{ code: 'transaction' }] }],
    }
    for (const [transactions, first] of [
      ['never', 'mark 1'],
      ['trusted', 'mark 1 2'],
    ] as const) {
      const { queue, log } = open(() => undefined, { transactions }, statement)
      for (const text of ['a', 'b']) await queue.enqueue(observation(text))
      await queue.flush()
      expect(log.slice(0, 2)).toEqual([first, 'post 1'])
    }
  })

  it('is marked anew when its turn comes late, since a mark tells when a request left', async () => {
    let now = 1_700_000_000_000
    const { queue, log } = open(
      async (post) => {
        if (post > 1) return
        await until(() => log.includes('mark 2'))
        now += 5_000
      },
      { environment: { wallClock: () => now } },
    )
    for (const text of ['a', 'b']) await queue.enqueue(observation(text))
    expect(await queue.flush()).toMatchObject({ delivered: 2 })
    expect(log).toEqual(['mark 1', 'post 1', 'mark 2', 'mark 2', 'post 2'])
  })

  it('is left alone when the present one fails: it comes back as it was', async () => {
    const { queue, log } = open(async (post) => {
      if (post > 1) return
      await until(() => log.includes('mark 2'))
      throw Object.assign(new Error('reset'), { code: 'ERR_NETWORK', sent: 'maybe' })
    })
    for (const text of ['a', 'b']) await queue.enqueue(observation(text))
    await queue.flush()
    expect(log).toEqual(['mark 1', 'post 1', 'mark 2'])
    expect(await queue.stats()).toMatchObject({ waiting: 2, unknown: 1 })
  })
})
