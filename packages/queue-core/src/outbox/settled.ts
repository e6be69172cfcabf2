import { QueueError } from '../errors.js'
import type { DeadReason, Entry, QueueStorage } from '../storage-port.js'
import { abortError, stopped } from './failures.js'
import { parseNote, type DecisionNote, type FailureNote, type Receipt } from './notes.js'

/** How an entry ended, with what its note says; without it when the note was not written by an outbox. */
export type Settled =
  | ({ readonly state: 'delivered' } & Partial<Receipt>)
  | ({ readonly state: 'dead'; readonly reason: DeadReason } & Partial<FailureNote>)
  | ({ readonly state: 'discarded' } & Partial<DecisionNote>)

interface Waiter {
  resolve(settled: Settled): void
  reject(error: unknown): void
}

/** Callers that wait for the end of entries. */
export interface SettledWaits {
  wait(sequence: number, signal: AbortSignal | undefined): Promise<Settled>
  /** Looks again at one entry, or at all that somebody waits for. */
  check(sequence?: number): void
  /** Rejects every wait with `ERR_OUTBOX_STOPPED`. */
  end(): void
}

/** `undefined` while the entry is not settled. */
export function settledFrom(entry: Entry): Settled | undefined {
  const note = parseNote(entry.note)
  if (entry.state === 'delivered') {
    return { ...(note?.kind === 'receipt' ? note.receipt : {}), state: 'delivered' }
  }
  if (entry.state === 'dead') {
    const failure = note?.kind === 'failure' ? note.failure : {}
    return { ...failure, state: 'dead', reason: entry.deadReason ?? 'rejected' }
  }
  if (entry.state === 'discarded') {
    return { ...(note?.kind === 'decision' ? note.decision : {}), state: 'discarded' }
  }
  return undefined
}

export function settledWaits(storage: QueueStorage): SettledWaits {
  const waiters = new Map<number, Set<Waiter>>()

  function forget(sequence: number, waiter: Waiter): void {
    const all = waiters.get(sequence)
    all?.delete(waiter)
    if (all?.size === 0) waiters.delete(sequence)
  }

  async function look(sequence: number): Promise<void> {
    const all = waiters.get(sequence)
    if (all === undefined) return
    try {
      const settled = settledOrThrow(await storage.read(sequence), sequence)
      if (settled === undefined) return
      waiters.delete(sequence)
      for (const waiter of all) waiter.resolve(settled)
    } catch (error) {
      waiters.delete(sequence)
      for (const waiter of all) waiter.reject(error)
    }
  }

  return {
    wait(sequence, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(abortError())
        const aborted = (): void => {
          forget(sequence, waiter)
          reject(abortError())
        }
        const waiter: Waiter = {
          resolve(settled) {
            signal?.removeEventListener('abort', aborted)
            resolve(settled)
          },
          reject(error) {
            signal?.removeEventListener('abort', aborted)
            reject(error)
          },
        }
        signal?.addEventListener('abort', aborted, { once: true })
        const all = waiters.get(sequence) ?? new Set()
        waiters.set(sequence, all.add(waiter))
        // Registered before the entry is read: it cannot settle unseen in between.
        void look(sequence)
      })
    },
    check(sequence) {
      const all = sequence === undefined ? [...waiters.keys()] : [sequence]
      for (const one of all) void look(one)
    },
    end() {
      const all = [...waiters.values()]
      waiters.clear()
      for (const set of all) for (const waiter of set) waiter.reject(stopped())
    },
  }
}

function settledOrThrow(entry: Entry | undefined, sequence: number): Settled | undefined {
  if (entry === undefined) {
    throw new QueueError('ERR_NO_SUCH_ENTRY', `there is no entry ${sequence}`, {
      hint: 'It never existed, or it was settled longer ago than settled entries are kept.',
    })
  }
  if (entry.state === 'quarantined') {
    throw new QueueError('ERR_WRONG_STATE', `entry ${sequence} is quarantined and will not settle`, {
      hint: 'Its record cannot be read back; salvage the storage.',
    })
  }
  return settledFrom(entry)
}
