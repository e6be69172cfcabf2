/** The largest delay a timer takes everywhere. */
export const maxTimerMs = 2_147_483_647

/** Why a deadline stopped what it watched. */
type StopReason = 'expired' | 'aborted'

/** A time limit joined with a caller's signal. */
export interface Deadline {
  /** Aborted when time is up or the caller aborts. Made when it is first asked for: signals cost. */
  readonly signal: AbortSignal
  /** Set once it stopped; never set again after `end`. */
  stopped(): StopReason | undefined
  /** Settles like the promise, or rejects at the stop, whether or not the promise reacts to the signal. */
  race<T>(promise: Promise<T>): Promise<T>
  /** Lets go of timer and listener. Always call it. */
  end(): void
}

/**
 * Starts a deadline. One controller per exchange instead of `AbortSignal.any`: a long-lived signal of the caller
 * keeps nothing of a finished request.
 */
export function startDeadline(timeoutMs: number | undefined, signal: AbortSignal | undefined): Deadline {
  let controller: AbortController | undefined
  let reason: StopReason | undefined
  let reject: (error: unknown) => void = () => {}
  const stop = new Promise<never>((_resolve, rejectStop) => {
    reject = rejectStop
  })
  stop.catch(() => {})
  const finish = (why: StopReason): void => {
    if (reason !== undefined) return
    reason = why
    end()
    controller?.abort()
    reject(new Error(`The request was stopped: ${why}.`))
  }
  const onAbort = (): void => finish('aborted')
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => finish('expired'), Math.min(timeoutMs, maxTimerMs))
  const end = (): void => {
    if (timer !== undefined) clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort)
  return {
    get signal() {
      controller ??= new AbortController()
      if (reason !== undefined) controller.abort()
      return controller.signal
    },
    stopped: () => reason,
    race: (promise) => Promise.race([promise, stop]),
    end,
  }
}
