import type { OutboxEnvironment } from '@fhir-outbox/queue-core'

/** Time that only moves when a test moves it. */
export interface FakeTime {
  now(): number
  /** Lets time pass, and everything happen that is due meanwhile. */
  pass(ms: number): Promise<void>
  /** Timers that have not rung and were not cancelled. */
  timers(): number
  readonly environment: Pick<OutboxEnvironment, 'now' | 'wallClock' | 'random' | 'setTimer'>
}

export function fakeTime(): FakeTime {
  let clock = Date.parse('2026-01-01T00:00:00Z')
  const timers = new Set<{ readonly at: number; readonly fn: () => void }>()

  /** Promises and the stream machinery of answers settle within a few turns of the event loop. */
  async function quiet(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  return {
    now: () => clock,
    timers: () => timers.size,
    async pass(ms) {
      const until = clock + ms
      await quiet()
      for (;;) {
        const [next] = [...timers].toSorted((a, b) => a.at - b.at)
        if (next === undefined || next.at > until) break
        timers.delete(next)
        clock = Math.max(clock, next.at)
        next.fn()
        await quiet()
      }
      clock = until
    },
    environment: {
      now: () => clock,
      wallClock: () => clock,
      random: () => 0.5,
      setTimer(fn, ms) {
        const timer = { at: clock + ms, fn }
        timers.add(timer)
        return () => timers.delete(timer)
      },
    },
  }
}
