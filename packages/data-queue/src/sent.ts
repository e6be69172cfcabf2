import { parseNote, type LeasedEntry, type Outcome } from '@fhir-outbox/queue-core'
import { planOf, type Destination, type DeliveryWorld, type Item } from './destination.js'
import { findsAtOnce } from './evidence.js'
import { isObject } from './json.js'
import type { Plan, PlanName } from './plan.js'

const notFoundYet = 'ERR_NOT_FOUND_YET'
const foundAlone = 'ERR_FOUND_ALONE'

/** What was noted when the request left. */
export function infoOf({ mark }: LeasedEntry): {
  readonly kind?: unknown
  readonly at?: unknown
  readonly plan?: unknown
} {
  if (mark?.info === undefined) return {}
  try {
    const info: unknown = JSON.parse(new TextDecoder().decode(mark.info))
    return isObject(info) ? info : {}
  } catch {
    return {}
  }
}

/** A plan that is in force for a request which has left already. */
export interface SentPlan extends Plan {
  /** It left under another plan than the one it would be sent with now, and to another place. */
  readonly moved?: true
}

/**
 * What is known of a server may have changed since the request left. What has been sent to one place must be looked
 * for there, and is not safe because it would go to another place now.
 */
export function planAsSent(item: Item, destination: Destination, world: DeliveryWorld): SentPlan {
  const plan = planOf(item, destination, world)
  const { plan: sent } = infoOf(item.entry)
  if (item.header.place === undefined || !isPlanName(sent) || putsToKey({ name: sent }) === putsToKey(plan))
    return plan
  return { ...plan, name: sent, unknown: 'ask', moved: true }
}

function isPlanName(value: unknown): value is PlanName {
  return typeof value === 'string'
}

/** A condition is a search as well: while the index lags behind, it finds nothing and creates again. */
export function tooSoon(
  { searchLagMs, now }: DeliveryWorld,
  { dossier }: Destination,
  { entry, header }: Item,
  plan: Plan,
): Outcome | undefined {
  const { at } = infoOf(entry)
  if (plan.name !== 'conditional-create' || typeof at !== 'number') return undefined
  if (findsAtOnce(dossier.current(), header.resourceType ?? '')) return undefined
  const age = now() - at
  // A clock that was set back says nothing.
  if (age < 0 || age >= searchLagMs) return undefined
  const message = 'It is sent again under its condition as soon as the search of the server can have seen it.'
  const failure = { code: notFoundYet, message }
  return { sequence: entry.sequence, kind: 'unknown', failure, delayMs: searchLagMs - age }
}

export function putsToKey({ name }: Pick<Plan, 'name'>): boolean {
  return name === 'put-client-id' || name === 'put-if-none-match'
}

/** An index may lag behind: only a second look, later, counts. */
export function absentYet(world: DeliveryWorld, { entry }: Item): Outcome {
  const message = 'The server was asked and does not show it yet; it is asked once more.'
  return askedLater(world, entry, notFoundYet, message)
}

/** It was found, others of its transaction were not: whatever is shown later, it was applied. */
export function foundWithoutOthers(world: DeliveryWorld, { entry }: Item): Outcome {
  const message = 'The server was asked and shows it, but not all that left with it; it is asked once more.'
  return askedLater(world, entry, foundAlone, message)
}

function askedLater(
  { searchLagMs }: DeliveryWorld,
  entry: LeasedEntry,
  code: string,
  message: string,
): Outcome {
  const issues = [{ code: 'request', text: requestOf(entry) }]
  return {
    sequence: entry.sequence,
    kind: 'unknown',
    failure: { code, message, issues },
    delayMs: searchLagMs,
  }
}

/** Whether it was already looked for after this same request, which the mark names. */
export function wasAbsentBefore({ entry }: Item): boolean {
  return wasNoted(entry, notFoundYet)
}

/** Whether it was found after this same request. */
export function wasFoundBefore({ entry }: Item): boolean {
  return wasNoted(entry, foundAlone)
}

function wasNoted(entry: LeasedEntry, wanted: string): boolean {
  const note = parseNote(entry.note)
  if (note?.kind !== 'failure') return false
  const { code, issues } = note.failure.failure
  return code === wanted && issues?.[0]?.text === requestOf(entry)
}

function requestOf({ mark, attempts }: LeasedEntry): string {
  return mark?.group ?? `attempt ${attempts}`
}
