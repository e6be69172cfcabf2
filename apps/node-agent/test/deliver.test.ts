import type { DataQueueEvent } from '@fhir-outbox/data-queue'
import { memoryStorage, type Failure } from '@fhir-outbox/queue-core'
import { describe, expect, test } from 'vitest'
import { deliver, type Delivery } from '../src/queue/deliver.js'
import { agent } from './support/agent.js'
import { closedPort, startMock } from './support/mock.js'
import { collection, observation } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

const refused: Failure = { code: 'ERR_UNAUTHORIZED', message: 'The server refuses the token.' }
const away: Failure = { code: 'ERR_CONNECT', message: 'Nobody answers.' }
const elsewhere: Failure = { code: 'ERR_INVALID_URL', message: 'The entry was queued for another server.' }
const unasked: Failure = { code: 'ERR_NO_OUTCOME', message: 'It was not asked about.' }

function closed(gate: string, failure: Failure, needsPerson = false): DataQueueEvent {
  return { type: 'gate-closed', gate: { gate, state: 'closed', failure, needsPerson } }
}

function delivered(sequence: number, lane: string): DataQueueEvent {
  return { type: 'delivered', sequence, lane, gate: lane, ageMs: 1, attempts: 1 }
}

function retried(sequence: number, lane: string, failure: Failure, delayMs: number): DataQueueEvent {
  return { type: 'retried', sequence, lane, gate: lane, failure, delayMs, spent: true }
}

/** What comes of entries 1 and 2 in a queue that tells this after its start, and this while it stops. */
async function delivery(
  running: readonly DataQueueEvent[],
  stopping: readonly DataQueueEvent[],
): Promise<Delivery> {
  const listeners = new Set<(event: DataQueueEvent) => void>()
  const tell = (events: readonly DataQueueEvent[]): void => {
    for (const event of events) for (const listener of listeners) listener(event)
  }
  const storage = memoryStorage()
  return await deliver(
    {
      stats: () => storage.stats(),
      subscribe(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      start: () => tell([...running, { type: 'drained' }]),
      flush: async () => ({ delivered: 0, dead: 0, waiting: 2 }),
      stop: async () => tell(stopping),
    },
    {
      sequences: new Set([1, 2]),
      waitMs: 60_000,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    },
  )
}

describe('what waits is told the reason', () => {
  test('of its own closed gate, also when another destination takes something meanwhile', async () => {
    const told = await delivery([closed('a', refused, true)], [delivered(2, 'b')])
    expect(told).toEqual({ delivered: 1, waiting: 1, rejected: [], blockedBy: refused })
  })

  test('of its closed gate, also when what was under way there still ends well', async () => {
    const told = await delivery([closed('a', refused, true)], [delivered(2, 'a')])
    expect(told).toMatchObject({ waiting: 1, blockedBy: refused })
  })

  test('that somebody can correct, before one that passes', async () => {
    const told = await delivery(
      [retried(1, 'c', away, 5), closed('a', away), closed('b', refused, true)],
      [retried(2, 'a', away, 5)],
    )
    expect(told).toMatchObject({ waiting: 2, blockedBy: refused })
  })

  test('that is about credentials, before entries of another server', async () => {
    const told = await delivery([closed('other', elsewhere, true)], [closed('b', refused, true)])
    expect(told).toMatchObject({ waiting: 2, blockedBy: refused })
  })

  test('of its own lane, and not that nobody has asked about those behind', async () => {
    const told = await delivery(
      [retried(1, 'a', away, 5), retried(3, 'a', unasked, 120_000)],
      [delivered(2, 'b')],
    )
    expect(told).toMatchObject({ waiting: 1, blockedBy: away })
  })

  test('no longer when its lane has gone on, or its gate has opened', async () => {
    const lane = await delivery([retried(1, 'a', away, 120_000)], [delivered(1, 'a')])
    expect(lane).toEqual({ delivered: 1, waiting: 1, rejected: [] })
    const gate = await delivery([closed('a', away)], [{ type: 'gate-opened', gate: 'a' }])
    expect(gate).toEqual({ delivered: 0, waiting: 2, rejected: [] })
  })
})

test('what was queued for another server holds nobody up, and is told of', async () => {
  const directory = await tempDirectory()
  const earlier = ['--server', (await closedPort()).fhir, '--directory', directory]
  const { fhir } = await startMock()
  const place = ['--server', fhir, '--directory', directory]
  await agent(['send', '-', ...earlier], { stdin: JSON.stringify(observation('earlier')) })
  const stdin = JSON.stringify(collection(...['a', 'b', 'c'].map(observation)))
  await agent(['send', '-', '--wait', '0', ...place], { stdin })
  const flushed = await agent(['flush', ...place])
  expect(flushed).toMatchObject({ code: 7, stdout: '3 delivered, 1 waiting\n' })
  expect(flushed.stderr).toContain(`Waiting because: The entry was queued for ${earlier[1]}`)
  const sent = await agent(['send', '-', ...place], { stdin: JSON.stringify(observation('d')) })
  expect(sent).toMatchObject({ code: 0, stdout: '1 accepted\n1 delivered\n' })
})
