import type { Announcement, DeliveryContext, Outcome } from '@fhir-outbox/queue-core'
import { planOf, type Destination, type DeliveryWorld, type Item } from './destination.js'
import type { Evidence } from './evidence.js'
import { loadParcel, nextParcel, type LoadedParcel, type Parcel } from './parcel.js'
import type { PlanName } from './plan.js'
import { isProof } from './resolve.js'
import { putsToKey } from './sent.js'

/** What is noted with a request. */
export interface RequestNote {
  /** Of the creates in it, which all have the same. */
  readonly plan: PlanName | undefined
  readonly kind: Parcel['kind']
  /** Entries in it, when it is a Bundle. */
  readonly n?: number
  /** Milliseconds since 1970. */
  readonly at: number
}

/** What sending asks of a delivery; `DeliveryContext` fits. */
export interface SendingContext {
  readonly signal: AbortSignal
  /** Durable before the bytes leave. */
  mark(sequences: readonly number[], note: RequestNote): Promise<void>
  /** To be called when the request has left: what comes next is prepared meanwhile. */
  meanwhile?(): void
}

/** A parcel whose turn comes next. */
export interface NextParcel {
  readonly parcel: Parcel
  /** Its Bundle, when that could be put together in advance. */
  readonly loaded?: Promise<LoadedParcel | Outcome>
}

/**
 * Prepares the next request of a run while one is on its way: its mark is made durable and its Bundle put together,
 * so that neither a disk nor a processor is waited for in between.
 */
export interface Ahead {
  /** The context of the run; its `mark` uses what was announced, and `meanwhile` announces. */
  readonly context: SendingContext
  /** Takes what was prepared for these items, or looks what may travel together now. */
  take(items: readonly Item[]): NextParcel
  /** When the present request has left, its successor is prepared: the first of these items. */
  follow(items: readonly Item[]): void
}

interface Prepared extends NextParcel {
  readonly evidence: Evidence
  readonly note: RequestNote
  readonly announcement: Announcement
}

/** An older note would tell too early a time; a mark of its own costs nothing beside so slow a request. */
const freshMs = 1_000

export function lookAhead(context: DeliveryContext, destination: Destination, world: DeliveryWorld): Ahead {
  let following: readonly Item[] = []
  let prepared: Prepared | undefined

  function prepare(parcel: Parcel, isUnderWay: boolean): Prepared | undefined {
    if (!parcel.items.every((item) => mayBeAnnounced(item, destination, world))) return undefined
    const note = noteOf(parcel, destination, world)
    const sequences = parcel.items.map(({ entry }) => entry.sequence)
    const announcement = context.announce(sequences, note)
    const known = { parcel, note, announcement, evidence: destination.dossier.current() }
    if (parcel.kind === 'single') return known
    // When the disk has been waited for, a request that is under way has left; without one, nobody waits for the disk.
    const loaded = (isUnderWay ? announcement.noted : Promise.resolve()).then(() =>
      loadParcel(parcel, destination, world),
    )
    // Whoever takes it sees what is wrong with it.
    loaded.catch(() => undefined)
    return { ...known, loaded }
  }

  function prepareNext(): void {
    const items = following
    following = []
    prepared = undefined
    if (items.length === 0) return
    try {
      prepared = prepare(nextParcel(items, destination, world), true)
    } catch {
      // A request is on its way. What is wrong with the next one shows when its turn comes.
    }
  }

  return {
    context: {
      signal: context.signal,
      async mark(sequences, note) {
        const announced = prepared
        prepared = undefined
        if (announced !== undefined && isAbout(announced, sequences, note))
          await announced.announcement.leave()
        else await context.mark(sequences, note)
      },
      meanwhile: prepareNext,
    },
    take(items) {
      // What is known decides what may travel together, and how.
      if (
        prepared !== undefined &&
        prepared.evidence === destination.dossier.current() &&
        prepared.parcel.items[0] === items[0]
      ) {
        return prepared
      }
      const parcel = nextParcel(items, destination, world)
      prepared = prepare(parcel, false)
      return prepared ?? { parcel }
    },
    follow(items) {
      following = items
    },
  }
}

/**
 * After a crash an announced entry is unknown although it may never have left: only where that costs a question at
 * most, never a person's time. What waits for a receipt of its neighbour cannot be put together yet.
 */
function mayBeAnnounced(item: Item, destination: Destination, world: DeliveryWorld): boolean {
  const { refs, of, seal } = item.header
  if (refs !== undefined || of !== undefined || seal === true) return false
  const plan = planOf(item, destination, world)
  if (plan.name === 'unsupported') return false
  if (plan.unknown === 'replay') return true
  return plan.unknown === 'ask' && (putsToKey(plan) || isProof(destination, item, plan))
}

/** What is noted with the request that carries a parcel, by the plan that its creates have or will have. */
function noteOf({ kind, items }: Parcel, destination: Destination, world: DeliveryWorld): RequestNote {
  const witness = kind === 'single' ? items[0] : items.find(({ header }) => header.place !== undefined)
  return {
    plan: witness === undefined ? undefined : planOf(witness, destination, world).name,
    kind,
    ...(kind === 'single' ? {} : { n: items.length }),
    at: world.now(),
  }
}

function isAbout({ parcel, note }: Prepared, sequences: readonly number[], now: RequestNote): boolean {
  const age = now.at - note.at
  return (
    now.plan === note.plan &&
    now.kind === note.kind &&
    age >= 0 &&
    age < freshMs &&
    sequences.length === parcel.items.length &&
    sequences.every((sequence, at) => parcel.items[at]?.entry.sequence === sequence)
  )
}
