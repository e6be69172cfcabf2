import type { DataQueue } from '@fhir-outbox/data-queue'
import type { Failure } from '@fhir-outbox/queue-core'
import { trackBlockers } from './blockers.js'

/** A timer that is set for longer fires at once. */
const longestTimerMs = 2 ** 31 - 1

/** What became of the entries that were watched. */
export interface Delivery {
  readonly delivered: number
  readonly waiting: number
  readonly rejected: readonly { readonly sequence: number; readonly failure: Failure }[]
  /** Why the rest waits, when that is known. */
  readonly blockedBy?: Failure
}

export interface DeliverOptions {
  /** Only these count; everything that waits when absent. */
  readonly sequences?: ReadonlySet<number>
  /** After this time the rest stays queued. */
  readonly waitMs: number
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

/**
 * Delivers, at once also what was put off, until everything watched is settled, the time is over, the caller
 * aborts, or nothing more goes because a destination turns out to be closed, or an entry is put off for longer than
 * that: then waiting longer would not help now.
 */
export async function deliver(
  queue: Pick<DataQueue, 'stats' | 'subscribe' | 'start' | 'flush' | 'stop'>,
  options: DeliverOptions,
): Promise<Delivery> {
  const { sequences, onProgress } = options
  const total = sequences?.size ?? (await queue.stats()).waiting
  const rejected: { sequence: number; failure: Failure }[] = []
  let delivered = 0
  const blockers = trackBlockers()
  const { promise: over, resolve: finish } = deferred()
  const until = performance.now() + options.waitMs
  const settledAll = (): boolean => delivered + rejected.length >= total
  const unsubscribe = queue.subscribe((event) => {
    blockers.see(event)
    switch (event.type) {
      case 'delivered':
      case 'rejected':
      case 'parked':
        if (sequences !== undefined && !sequences.has(event.sequence)) return
        if (event.type === 'delivered') delivered += 1
        else rejected.push({ sequence: event.sequence, failure: event.failure })
        onProgress(delivered + rejected.length, total)
        if (settledAll()) finish()
        return
      case 'drained':
        // What goes elsewhere has gone.
        if (blockers.gateIsClosed()) finish()
        return
      case 'unknown':
      case 'retried':
        // Everything keeps one order: what comes behind it waits as long. What the server does not take is not
        // looked at anew within minutes.
        if (event.delayMs > until - performance.now() || event.failure.code === 'ERR_UNSUPPORTED') finish()
        return
      default:
    }
  })
  const hurry = new AbortController()
  const timer = setTimeout(finish, Math.min(options.waitMs, longestTimerMs))
  options.signal.addEventListener('abort', finish, { once: true })
  try {
    if (total > 0 && !options.signal.aborted) {
      onProgress(0, total)
      queue.start()
      // A person asks: what was put off is tried now. How it ends is told by the events.
      queue.flush({ signal: hurry.signal }).catch(() => undefined)
      await over
    }
    hurry.abort()
    await queue.stop()
  } finally {
    hurry.abort()
    clearTimeout(timer)
    options.signal.removeEventListener('abort', finish)
    unsubscribe()
  }
  const waiting = total - delivered - rejected.length
  const blockedBy = blockers.worst()
  return { delivered, waiting, rejected, ...(waiting === 0 || blockedBy === undefined ? {} : { blockedBy }) }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
