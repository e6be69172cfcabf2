import { encodeJson } from '../internal/bytes.js'
import type { Lease, QueueStorage } from '../storage-port.js'
import type { Announcement } from '../transport-port.js'
import { checkMarks, storageLimits } from '../validate.js'
import { abortError, codeOf } from './failures.js'

/** The marks of one delivery. */
export interface Marks {
  announce(sequences: readonly number[], info: unknown): Announcement
  /** Whether a request with this entry may have left, and nothing is known of it yet. */
  hasLeft(sequence: number): boolean
  /** Resolves when nothing is being noted about these entries any more, which are about to be settled. */
  calm(entries: readonly { readonly sequence: number }[]): Promise<void>
  /** It is settled. */
  forget(sequence: number): void
}

export interface MarksOptions {
  readonly storage: QueueStorage
  readonly lease: Lease
  readonly uuid: () => string
  readonly signal: AbortSignal
  /** Whether the lease has run out by this machine's clock. */
  readonly isOver: () => boolean
  /** The lease turned out to be lost: aborts the signal. */
  readonly lose: () => void
  readonly sent: (sequences: readonly number[]) => void
}

export function createMarks({ storage, lease, uuid, signal, isOver, lose, sent }: MarksOptions): Marks {
  const left = new Set<number>()
  /** Of requests that have not left. */
  const pending = new Map<number, Promise<unknown>>()

  async function note(sequences: readonly number[], info: unknown): Promise<void> {
    if (signal.aborted) throw abortError()
    const group = uuid()
    const bytes = info === undefined ? undefined : encodeJson(info)
    const notes = sequences.map((sequence) =>
      bytes === undefined ? { sequence, group } : { sequence, group, info: bytes },
    )
    checkMarks(notes, storageLimits)
    try {
      await storage.mark(lease, notes)
    } catch (error) {
      if (codeOf(error) === 'ERR_LEASE_LOST') lose()
      throw error
    }
  }

  return {
    announce(sequences, info) {
      const noted = note(sequences, info)
      // Nobody may ever ask what has become of it.
      const done = noted.catch(() => undefined)
      for (const sequence of sequences) {
        const earlier = pending.get(sequence)
        pending.set(sequence, earlier === undefined ? done : Promise.all([earlier, done]))
      }
      return {
        noted,
        async leave() {
          await noted
          // A machine that slept meanwhile has lost the lease without knowing it: somebody else may be sending.
          if (isOver()) lose()
          // Aborted meanwhile: the bytes must not leave any more, so nothing has to be unknown.
          if (signal.aborted) throw abortError()
          for (const sequence of sequences) {
            pending.delete(sequence)
            left.add(sequence)
          }
          sent(sequences)
        },
      }
    },
    hasLeft: (sequence) => left.has(sequence),
    async calm(entries) {
      // A mark that came after the settlement of its entry would be taken for a lost lease.
      for (const { sequence } of entries) if (pending.has(sequence)) await pending.get(sequence)
    },
    forget(sequence) {
      pending.delete(sequence)
      left.delete(sequence)
    },
  }
}
