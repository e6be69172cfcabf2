import { createHeap } from '../internal/heap.js'

/** Somebody on whose behalf things happen: a process, a server. */
export interface Actor {
  readonly name: string
  /** What was to happen for a dead actor does not. */
  alive: boolean
  /** Until then nothing happens for it: a machine that sleeps. */
  frozenUntil: number
}

export function createActor(name: string): Actor {
  return { name, alive: true, frozenUntil: 0 }
}

interface Moment {
  at: number
  readonly order: number
  readonly actor: Actor
  readonly fn: () => void
  heapAt: number
  cancelled: boolean
}

/** Virtual time. It moves only when everything that can go on without it has gone on. */
export interface Timeline {
  /** Milliseconds. */
  now(): number
  /** Calls `fn` once after `ms`, for as long as the actor lives. Returns the way to cancel. */
  after(ms: number, actor: Actor, fn: () => void): () => void
  /** Resolves after `ms`. Never, when the actor dies before. */
  wait(ms: number, actor: Actor): Promise<void>
  /** Real work is under way: time stands still until it is done. */
  during<Result>(work: Promise<Result>): Promise<Result>
  /** Lets time pass until the condition holds, nothing is left to happen, or the deadline is reached. */
  run(done: () => boolean, deadline: number): Promise<void>
  /** How many things have happened. */
  readonly moments: number
  /** Ends the timeline: nothing happens any more. */
  close(): void
}

/** One turn of the event loop: every promise that could go on has gone on. */
function createTurns(): { next(): Promise<void>; close(): void } {
  // A timer would take a millisecond each time.
  const { port1, port2 } = new MessageChannel()
  let resume: () => void = () => undefined
  port1.addEventListener('message', () => resume())
  port1.start()
  return {
    next: () =>
      new Promise((resolve) => {
        resume = resolve
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
        port2.postMessage(0)
      }),
    close() {
      port1.close()
      port2.close()
    },
  }
}

export function createTimeline(): Timeline {
  const turns = createTurns()
  const working = new Set<Promise<unknown>>()
  const ahead = createHeap<Moment>({
    before: (a, b) => a.at < b.at || (a.at === b.at && a.order < b.order),
    at: (moment) => moment.heapAt,
    moved(moment, at) {
      moment.heapAt = at
    },
  })
  let clock = 0
  let order = 0
  let moments = 0

  async function quiet(): Promise<void> {
    await turns.next()
    while (working.size > 0) {
      await Promise.all(working)
      await turns.next()
    }
  }

  const timeline: Timeline = {
    now: () => clock,
    after(ms, actor, fn) {
      const moment = { at: clock + Math.max(0, ms), order: ++order, actor, fn, heapAt: -1, cancelled: false }
      ahead.push(moment)
      return () => {
        moment.cancelled = true
      }
    },
    wait: (ms, actor) => new Promise((resolve) => timeline.after(ms, actor, resolve)),
    async during(work) {
      const done = work.then(
        () => undefined,
        () => undefined,
      )
      working.add(done)
      try {
        return await work
      } finally {
        working.delete(done)
      }
    },
    async run(done, deadline) {
      await quiet()
      while (!done()) {
        const moment = ahead.peek()
        if (moment === undefined || moment.at > deadline) return
        ahead.remove(moment)
        const { actor } = moment
        if (moment.cancelled || !actor.alive) continue
        if (actor.frozenUntil > moment.at) {
          moment.at = actor.frozenUntil
          ahead.push(moment)
          continue
        }
        clock = Math.max(clock, moment.at)
        moments++
        moment.fn()
        await quiet()
      }
    },
    get moments() {
      return moments
    },
    close() {
      turns.close()
    },
  }
  return timeline
}
