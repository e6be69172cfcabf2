import type { BackoffBounds } from './defaults.js'

/**
 * Decorrelated jitter: the next wait lies between the base and three times the last one. Spreads clients that
 * failed together better than doubling does.
 */
export function nextWait(bounds: BackoffBounds, last: number | undefined, random: number): number {
  const reach = Math.max(bounds.baseMs, (last ?? bounds.baseMs) * 3)
  return Math.min(bounds.capMs, Math.round(bounds.baseMs + random * (reach - bounds.baseMs)))
}

/** The waits of lanes whose head keeps failing. */
export interface LaneBackoff {
  /** The wait before the lane's next try, longer each time. */
  next(lane: string): number
  /** The lane made progress. */
  reset(lane: string): void
}

export function laneBackoff(bounds: BackoffBounds, random: () => number): LaneBackoff {
  const last = new Map<string, number>()
  return {
    next(lane) {
      const wait = nextWait(bounds, last.get(lane), random())
      last.set(lane, wait)
      return wait
    },
    reset(lane) {
      last.delete(lane)
    },
  }
}

export function clamp(value: number, min: number, max: number): number {
  // NaN would make a timer fire at once, again and again.
  return Number.isNaN(value) ? min : Math.min(max, Math.max(min, value))
}
