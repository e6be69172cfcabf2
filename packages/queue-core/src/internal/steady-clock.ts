/** A clock that never runs backwards. See `steadyClock`. */
export interface SteadyClock {
  now(): number
  /** Somebody has seen this time: from now on `now` is not earlier. */
  reach(time: number): void
}

/**
 * A clock for storage adapters, over one that a person or a network may set, such as `Date.now`. When that is set
 * back, or a store was written under a clock that stood ahead (`reach` the latest time found in it, on open and
 * whenever another handle has written), this one stands still for no longer than it takes to read it again, and
 * then goes on at its usual pace: a wait for a minute stays a wait for a minute. A clock that is set forward
 * cannot be told from a machine that slept; waits and leases end early then, which the fence makes harmless.
 *
 * @example
 * const clock = steadyClock(Date.now)
 * clock.reach(latestTimeInTheFile)
 */
export function steadyClock(read: () => number): SteadyClock {
  let ahead = 0
  let last = -Infinity

  function now(): number {
    const time = read() + ahead
    if (time >= last) last = time
    // Set back: what it lost is added from now on.
    else ahead += last - time
    return last
  }

  return {
    now,
    reach(time) {
      if (time <= now()) return
      ahead += time - last
      last = time
    },
  }
}
