import type { Outbox, Settled } from '@fhir-outbox/queue-core'
import { localReference } from './references.js'
import type { Queued, WriteResult } from './results.js'

/** What the waiting needs besides the outbox. */
export interface Waiting {
  readonly waitMs: number
  readonly signal?: AbortSignal
  readonly setTimer: (fn: () => void, ms: number) => () => void
}

/**
 * The outcome of an entry if it is known in time, else `queued`: after the wait, or as soon as the entry's
 * destination is closed. Aborting rejects with an AbortError; the entry stays accepted.
 */
export async function awaitResult(
  outbox: Outbox,
  entry: { readonly sequence: number; readonly key: string; readonly gate: string },
  { waitMs, signal, setTimer }: Waiting,
): Promise<WriteResult> {
  const { sequence, key, gate } = entry
  const over = new AbortController()
  const giveUp = (): void => over.abort()
  const cancelTimer = setTimer(giveUp, waitMs)
  const unsubscribe = outbox.subscribe((event) => {
    if (event.type === 'gate-closed' && event.gate.gate === gate) giveUp()
  })
  signal?.addEventListener('abort', giveUp, { once: true })
  if (signal?.aborted === true || closureOf(outbox, gate) !== undefined) giveUp()
  try {
    return resultOf(key, sequence, await outbox.settled(sequence, { signal: over.signal }))
  } catch (error) {
    signal?.throwIfAborted()
    if (!over.signal.aborted) throw error
    const reason = closureOf(outbox, gate)?.failure
    return {
      state: 'queued',
      ...identified(sequence, key),
      ...(reason === undefined ? {} : { reason }),
    } satisfies Queued
  } finally {
    cancelTimer()
    unsubscribe()
    signal?.removeEventListener('abort', giveUp)
  }
}

/** What every result says about its entry. */
export function identified(sequence: number, key: string): Pick<Queued, 'sequence' | 'key' | 'reference'> {
  return { sequence, key, reference: localReference(key) }
}

function resultOf(key: string, sequence: number, settled: Settled): WriteResult {
  switch (settled.state) {
    case 'delivered': {
      const { id, version, status } = settled
      return {
        state: 'delivered',
        ...identified(sequence, key),
        ...(id === undefined ? {} : { id }),
        ...(version === undefined ? {} : { version }),
        ...(status === undefined ? {} : { status }),
        alreadyThere: settled['alreadyThere'] === true,
        ...(settled['differs'] === true ? { differs: true } : {}),
      }
    }
    case 'dead': {
      const failure = settled.failure ?? {
        code: 'ERR_UNEXPECTED',
        message: 'The entry is dead without a reason.',
      }
      return { state: 'rejected', ...identified(sequence, key), failure }
    }
    case 'discarded':
      return {
        state: 'rejected',
        ...identified(sequence, key),
        failure: { code: 'ERR_DISCARDED', message: 'Somebody discarded the entry before it was delivered.' },
      }
  }
}

function closureOf(outbox: Outbox, gate: string): ReturnType<Outbox['gates']>[number] | undefined {
  return outbox.gates().find((status) => status.gate === gate && status.state === 'closed')
}
