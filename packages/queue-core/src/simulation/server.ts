import type { Judge } from './judge.js'
import type { SeededRandom } from '../internal/random.js'
import { createActor, type Actor, type Timeline } from './timeline.js'

/** How often each trouble befalls a request, as shares of 1. */
export interface NetworkFaults {
  /** The request never arrives. */
  readonly lostBefore: number
  /** It is applied, and the answer never arrives. */
  readonly lostAfter: number
  /** It arrives and is applied, but so late that nobody waits any more. */
  readonly late: number
  /** 503: not applied, try again. */
  readonly busy: number
  /** 429 with a time to wait. */
  readonly throttled: number
  /** An outage begins: for a while, nothing can be connected to. */
  readonly outage: number
}

/** One entry in a request. */
export interface SentEntry {
  readonly key: string
  readonly sequence: number
  readonly content: string
}

/** What came of a request, as far as the sender can see. */
export type Reply =
  | { readonly kind: 'applied' }
  /** One entry was refused, so nothing was applied. */
  | { readonly kind: 'refused'; readonly key: string }
  /** Which of the entries asked about the server has. */
  | { readonly kind: 'found'; readonly keys: ReadonlySet<string> }
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number }
  | { readonly kind: 'busy' }
  /** Nobody knows. */
  | { readonly kind: 'silence' }

/**
 * A server as unkind as real ones: it applies a transaction whole or not at all, every time it arrives, and
 * never tells twice the same from new. It can be asked what it has.
 */
export interface SimulatedServer {
  /** Resolves on behalf of the sender, who waits no longer than `patienceMs`. */
  send(sender: Actor, entries: readonly SentEntry[]): Promise<Reply>
  probe(sender: Actor, keys: readonly string[]): Promise<Reply>
  /** Entries that it refuses, for as long as they are in here. */
  readonly poisoned: Set<string>
  /** Entries of which no request can be made, for as long as they are in here: they spoil every run they are in. */
  readonly spoilers: Set<string>
  /** Whether one of these is in the way. */
  spoilt(keys: readonly string[]): boolean
  /** How often each kind of trouble has happened. */
  readonly troubles: ReadonlyMap<string, number>
}

/** After this long a request is on the server or will never be. */
export const arrivalMs = 1000
/** How long a sender waits for an answer. */
const patienceMs = 30_000

export function simulatedServer(options: {
  readonly timeline: Timeline
  readonly random: SeededRandom
  readonly judge: Judge
  readonly faults: NetworkFaults
  /** Whether troubles still happen. */
  readonly troubled: () => boolean
}): SimulatedServer {
  const { timeline, random, judge, faults } = options
  const self = createActor('server')
  const poisoned = new Set<string>()
  const spoilers = new Set<string>()
  const troubles = new Map<string, number>()
  let outageUntil = 0

  function befalls(kind: keyof NetworkFaults): boolean {
    // The dice are thrown in any case: what is drawn later must not depend on whether troubles have ended.
    const hit = random.chance(faults[kind]) && options.troubled()
    if (hit) count(kind)
    return hit
  }

  function count(kind: string): void {
    troubles.set(kind, (troubles.get(kind) ?? 0) + 1)
  }

  function apply(entries: readonly SentEntry[]): Reply {
    const bad = entries.find(({ key }) => poisoned.has(key))
    if (bad !== undefined) {
      judge.refused(bad.key)
      return { kind: 'refused', key: bad.key }
    }
    for (const { key, sequence, content } of entries) judge.applied(key, sequence, content)
    return { kind: 'applied' }
  }

  /** One exchange. `act` is what the server does when the request arrives. */
  async function exchange(sender: Actor, act: () => Reply): Promise<Reply> {
    if (befalls('outage')) outageUntil = timeline.now() + random.between(1000, 600_000)
    const there = random.between(1, arrivalMs / 2)
    const back = random.between(1, 200)
    if (options.troubled() && timeline.now() < outageUntil) {
      await timeline.wait(there, sender)
      return { kind: 'unreachable' }
    }
    const throttled = befalls('throttled')
    const busy = befalls('busy')
    const [before, after, late] = [befalls('lostBefore'), befalls('lostAfter'), befalls('late')]
    if (before) {
      await timeline.wait(patienceMs, sender)
      return { kind: 'silence' }
    }
    return await new Promise((resolve) => {
      const answer = (reply: Reply, ms: number): void => {
        timeline.after(ms, sender, () => resolve(reply))
      }
      if (late) {
        answer({ kind: 'silence' }, there)
        timeline.after(arrivalMs, self, act)
        return
      }
      timeline.after(there, self, () => {
        if (throttled) return answer({ kind: 'throttled', retryAfterMs: random.between(1000, 60_000) }, back)
        if (busy) return answer({ kind: 'busy' }, back)
        const reply = act()
        if (after) answer({ kind: 'silence' }, patienceMs)
        else answer(reply, back)
      })
    })
  }

  return {
    send: (sender, entries) => exchange(sender, () => apply(entries)),
    probe: (sender, keys) =>
      exchange(sender, () => ({ kind: 'found', keys: new Set(keys.filter((key) => judge.isApplied(key))) })),
    poisoned,
    spoilers,
    spoilt(keys) {
      const hit = keys.some((key) => spoilers.has(key))
      if (hit) count('spoilt')
      return hit
    },
    troubles,
  }
}
