import type { DeadReason, EntrySummary, QueueStats } from '@fhir-outbox/queue-core'
import { displayState, isOpen, type DisplayState } from '../model/states.js'
import { createStore, type Store } from '../platform/store.js'
import type { Session } from './session.js'

/** An entry as the screens show it, with times that do not go stale. */
export interface EntryView {
  readonly sequence: number
  readonly state: DisplayState
  readonly deadReason?: DeadReason
  readonly lane: string
  /** Where it goes. */
  readonly gate: string
  readonly acceptedAt: number
  /** When it may be tried again. */
  readonly dueAt?: number
  readonly heldBy?: number
  readonly attempts: number
  readonly payloadBytes: number
  readonly note?: Uint8Array
}

export interface QueueView {
  readonly stats: QueueStats
  /** Newest first: everything open, up to a limit, and the latest that is settled. */
  readonly entries: readonly EntryView[]
}

const openShown = 500
const latestShown = 200
const pauseMs = 60

export function entryView(entry: EntrySummary, now: number): EntryView {
  const { sequence, deadReason, lane, gate, ageMs, dueInMs, heldBy, attempts, payloadBytes, note } = entry
  return {
    sequence,
    state: displayState(entry),
    ...(deadReason === undefined ? {} : { deadReason }),
    lane,
    gate,
    acceptedAt: now - ageMs,
    ...(dueInMs === undefined ? {} : { dueAt: now + dueInMs }),
    ...(heldBy === undefined ? {} : { heldBy }),
    attempts,
    payloadBytes,
    ...(note === undefined ? {} : { note }),
  }
}

async function readView({ queue: { outbox } }: Session): Promise<QueueView> {
  const stats = await outbox.stats()
  const found = new Map<number, EntryView>()
  for (const state of ['waiting', 'unknown', 'dead', 'quarantined'] as const) {
    let count = 0
    for await (const entry of outbox.list({ state })) {
      found.set(entry.sequence, entryView(entry, Date.now()))
      count += 1
      if (count >= openShown) break
    }
  }
  // Sequences ascend from 1 and are never reused, so the latest entries lie above the number accepted so far.
  for await (const entry of outbox.list({ after: Math.max(0, stats.accepted - latestShown) })) {
    found.set(entry.sequence, entryView(entry, Date.now()))
  }
  return { stats, entries: [...found.values()].sort((a, b) => b.sequence - a.sequence) }
}

/** The queue as it is now, read again whenever this tab or another one has changed it. */
export function watchQueue(session: Session): Store<QueueView | undefined> {
  const view = createStore<QueueView | undefined>(undefined)
  let reading = false
  let again = false

  async function read(): Promise<void> {
    if (reading) {
      again = true
      return
    }
    reading = true
    try {
      do {
        again = false
        view.set(await readView(session))
        // A burst of events is one picture, not one each.
        await new Promise((resolve) => setTimeout(resolve, pauseMs))
      } while (again)
    } catch {
      // The store is gone; `session.lost` tells.
    } finally {
      reading = false
    }
  }

  const changed = (): void => void read()
  session.queue.subscribe(changed)
  session.queue.outbox.storage.watch(changed)
  changed()
  return view
}

/** The entry of each lane that must go first. */
export function heads(entries: readonly EntryView[]): readonly EntryView[] {
  const first = new Map<string, EntryView>()
  for (const entry of entries) {
    if (isOpen(entry.state) && entry.state !== 'dead' && entry.state !== 'quarantined') {
      first.set(entry.lane, entry)
    }
  }
  return [...first.values()]
}
