import type { QueueStorage } from '../storage-port.js'
import { isDeadLetter, type OutboxEvent } from './events.js'
import { abortError } from './failures.js'
import type { GateKeeper } from './gates.js'
import type { FlushOptions, FlushProgress, FlushResult } from './types.js'

interface Flush {
  /** Delayed lanes have been made due; before that, being idle proves nothing. */
  hurried: boolean
  delivered: number
  dead: number
  readonly callers: Set<Caller>
  /** A caller has passed `onProgress`. */
  isWatched: boolean
}

interface Caller {
  readonly onProgress: ((progress: FlushProgress) => void) | undefined
  resolve(result: FlushResult): void
  reject(error: unknown): void
}

/** The flush that runs, if one does, and everybody who waits for it. */
export interface Flushes {
  running(): boolean
  /** Joins the flush that runs, or begins one and calls `begin`. */
  join(options: FlushOptions, begin: () => void): Promise<FlushResult>
  notice(event: OutboxEvent): void
  /** Nothing more can be delivered now, or not by this handle: the flush is over. */
  idle(elsewhere: boolean): void
  fail(error: unknown): void
}

export function createFlushes(storage: QueueStorage, gates: GateKeeper): Flushes {
  let current: Flush | undefined
  let telling = false

  function end(): Flush | undefined {
    const flush = current
    current = undefined
    return flush
  }

  function failAll(flush: Flush | undefined, error: unknown): void {
    for (const caller of flush?.callers ?? []) caller.reject(error)
  }

  async function begin(flush: Flush, started: () => void): Promise<void> {
    try {
      await storage.hurry?.()
    } catch (error) {
      if (current === flush) end()
      failAll(flush, error)
      return
    }
    gates.hurry()
    flush.hurried = true
    if (current === flush) started()
  }

  async function conclude(flush: Flush, elsewhere: boolean): Promise<void> {
    try {
      await storage.sync()
      const { waiting } = await storage.stats()
      const blockedBy = gates.blockedBy()
      const { delivered, dead } = flush
      const result: FlushResult = {
        delivered,
        dead,
        waiting,
        ...(blockedBy === undefined ? {} : { blockedBy }),
        ...(elsewhere ? { elsewhere } : {}),
      }
      for (const caller of flush.callers) caller.resolve(result)
    } catch (error) {
      failAll(flush, error)
    }
  }

  /** Once for all that was settled together, and for all that happens while the storage counts. */
  async function tellProgress(flush: Flush): Promise<void> {
    telling = true
    const { waiting } = await storage.stats().finally(() => {
      telling = false
    })
    const { delivered, dead } = flush
    for (const caller of flush.callers) {
      try {
        caller.onProgress?.({ delivered, dead, waiting })
      } catch (error) {
        caller.reject(error)
      }
    }
  }

  return {
    running: () => current !== undefined,
    join({ signal, onProgress }, started) {
      if (signal?.aborted === true) return Promise.reject(abortError())
      const joined = current
      const flush = joined ?? {
        hurried: false,
        delivered: 0,
        dead: 0,
        callers: new Set<Caller>(),
        isWatched: false,
      }
      current = flush
      flush.isWatched ||= onProgress !== undefined
      const result = new Promise<FlushResult>((resolve, reject) => {
        const aborted = (): void => {
          flush.callers.delete(caller)
          // Nobody waits any more: deliveries under way end by themselves, new ones are not begun.
          if (flush.callers.size === 0 && current === flush) end()
          reject(abortError())
        }
        const done = (): void => {
          flush.callers.delete(caller)
          signal?.removeEventListener('abort', aborted)
        }
        const caller: Caller = {
          onProgress,
          resolve(value) {
            done()
            resolve(value)
          },
          reject(error) {
            done()
            reject(error)
          },
        }
        signal?.addEventListener('abort', aborted, { once: true })
        flush.callers.add(caller)
      })
      if (joined === undefined) void begin(flush, started)
      return result
    },
    notice(event) {
      if (current === undefined) return
      if (event.type === 'delivered') current.delivered++
      else if (isDeadLetter(event)) current.dead++
      else return
      if (!telling && current.isWatched) tellProgress(current).catch(() => undefined)
    },
    idle(elsewhere) {
      if (current?.hurried !== true) return
      const flush = end()
      if (flush !== undefined) void conclude(flush, elsewhere)
    },
    fail(error) {
      failAll(end(), error)
    },
  }
}
