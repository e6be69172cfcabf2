import { noSuchEntry, QueueError } from '../errors.js'
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

/** One entry that somebody waits for. */
interface Wait {
  readonly waiters: Set<Waiter>
  /** It is being read; `again`: something has happened since that began. */
  looking: boolean
  again: boolean
}

/** Callers that wait for the end of entries. */
export interface SettledWaits {
  wait(sequence: number, signal: AbortSignal | undefined): Promise<Settled>
  /** Whether somebody waits. */
  any(): boolean
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

/** `changed` is called when somebody begins to wait and when nobody waits any more. */
export function settledWaits(storage: QueueStorage, changed: () => void): SettledWaits {
  const waits = new Map<number, Wait>()

  function drop(sequence: number): void {
    waits.delete(sequence)
    if (waits.size === 0) changed()
  }

  function forget(sequence: number, waiter: Waiter): void {
    const wait = waits.get(sequence)
    if (wait?.waiters.delete(waiter) === true && wait.waiters.size === 0) drop(sequence)
  }

  /** However often something happens, an entry is read once at a time, and once more after the last of it. */
  async function look(sequence: number, wait: Wait): Promise<void> {
    if (wait.looking) {
      wait.again = true
      return
    }
    wait.looking = true
    try {
      let settled: Settled | undefined
      do {
        wait.again = false
        settled = settledOrThrow(await storage.read(sequence), sequence)
      } while (wait.again && settled === undefined)
      wait.looking = false
      if (settled === undefined || waits.get(sequence) !== wait) return
      drop(sequence)
      for (const waiter of wait.waiters) waiter.resolve(settled)
    } catch (error) {
      if (waits.get(sequence) === wait) drop(sequence)
      for (const waiter of wait.waiters) waiter.reject(error)
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
        const wait = waits.get(sequence) ?? { waiters: new Set(), looking: false, again: false }
        wait.waiters.add(waiter)
        waits.set(sequence, wait)
        // Registered, and watched, before the entry is read: it cannot settle unseen in between.
        changed()
        void look(sequence, wait)
      })
    },
    any: () => waits.size > 0,
    check(sequence) {
      const all = sequence === undefined ? [...waits.keys()] : [sequence]
      for (const one of all) {
        const wait = waits.get(one)
        if (wait !== undefined) void look(one, wait)
      }
    },
    end() {
      const all = [...waits.values()]
      waits.clear()
      changed()
      for (const { waiters } of all) for (const waiter of waiters) waiter.reject(stopped())
    },
  }
}

function settledOrThrow(entry: Entry | undefined, sequence: number): Settled | undefined {
  if (entry === undefined) throw noSuchEntry(sequence)
  if (entry.state === 'quarantined') {
    throw new QueueError('ERR_WRONG_STATE', `entry ${sequence} is quarantined and will not settle`, {
      hint: 'Its record cannot be read back; salvage the storage.',
    })
  }
  return settledFrom(entry)
}
