import { decodeText } from '../internal/bytes.js'
import type { LeasedEntry } from '../storage-port.js'
import type { DeliveryContext, Failure, GateClosure, Outcome, Transport } from '../transport-port.js'
import type { SeededRandom } from '../internal/random.js'
import { arrivalMs, type Reply, type SentEntry, type SimulatedServer } from './server.js'
import type { Actor } from './timeline.js'

/** A request that is older than this has arrived or never will. Only then a probe proves anything. */
const settledMs = 5 * arrivalMs
const mostInRequest = 5

const failure = (code: string): Failure => ({ code, message: 'simulated' })

function sent({ key, sequence, payload }: LeasedEntry): SentEntry {
  return { key, sequence, content: decodeText(payload) }
}

/** What a trouble means for each entry of a request. */
interface Trouble {
  readonly kind: 'not-sent' | 'unknown'
  readonly failure: Failure
  readonly spent?: boolean
  readonly closesGate?: GateClosure
}

function troubleOf(reply: Reply): Trouble | undefined {
  if (reply.kind === 'unreachable') {
    const why = failure('ERR_UNREACHABLE')
    return { kind: 'not-sent', failure: why, closesGate: { failure: why } }
  }
  if (reply.kind === 'throttled') {
    const why = failure('ERR_THROTTLED')
    return { kind: 'not-sent', failure: why, closesGate: { failure: why, retryAfterMs: reply.retryAfterMs } }
  }
  if (reply.kind === 'busy') return { kind: 'not-sent', failure: failure('ERR_BUSY'), spent: true }
  if (reply.kind === 'silence') return { kind: 'unknown', failure: failure('ERR_SILENCE'), spent: true }
  return undefined
}

/** Sends in transactions, and finds out by asking: the plain way to talk to a server that cannot deduplicate. */
export function simulatedTransport(options: {
  readonly actor: Actor
  readonly server: SimulatedServer
  readonly random: SeededRandom
}): Transport {
  const { actor, server, random } = options

  async function* deliver(
    entries: readonly LeasedEntry[],
    context: DeliveryContext,
  ): AsyncGenerator<readonly Outcome[]> {
    if (server.spoilt(entries.map(({ key }) => key)))
      throw new Error('simulated: no request can be made of it')
    let from = 0
    while (from < entries.length) {
      const group = entries.slice(from, from + random.between(1, mostInRequest))
      await context.mark(group.map(({ sequence }) => sequence))
      const reply = await server.send(actor, group.map(sent))
      const trouble = troubleOf(reply)
      if (trouble !== undefined) {
        yield group.map(({ sequence }) => ({ ...trouble, sequence }))
        return
      }
      if (reply.kind === 'refused') {
        yield group.map(({ sequence, key }): Outcome =>
          key === reply.key
            ? { sequence, kind: 'rejected', failure: failure('ERR_REFUSED') }
            : { sequence, kind: 'not-sent', failure: failure('ERR_OTHER_REFUSED'), delayMs: 0 },
        )
        return
      }
      yield group.map(({ sequence }) => ({ sequence, kind: 'delivered', receipt: { status: 201 } }))
      from += group.length
    }
  }

  async function* resolve(entries: readonly LeasedEntry[]): AsyncGenerator<readonly Outcome[]> {
    const youngest = Math.min(...entries.map(({ troubledForMs = 0 }) => troubledForMs))
    if (youngest < settledMs) {
      const delayMs = settledMs - youngest
      yield entries.map(({ sequence }) => ({
        sequence,
        kind: 'unknown',
        failure: failure('ERR_TOO_EARLY'),
        delayMs,
      }))
      return
    }
    const reply = await server.probe(
      actor,
      entries.map(({ key }) => key),
    )
    const trouble = troubleOf(reply)
    if (trouble !== undefined) {
      // Nothing was sent but a question: what was unknown stays unknown.
      yield entries.map(({ sequence }) => ({ ...trouble, sequence, kind: 'unknown', spent: false }))
      return
    }
    const found = reply.kind === 'found' ? reply.keys : new Set<string>()
    yield entries.map(({ sequence, key }): Outcome =>
      found.has(key)
        ? { sequence, kind: 'delivered', receipt: { status: 200, probed: true } }
        : { sequence, kind: 'not-sent', failure: failure('ERR_NOT_APPLIED'), delayMs: 0 },
    )
  }

  return { deliver, resolve }
}
