import type { DataQueue, Enqueued, QueuedWrite } from '@fhir-outbox/data-queue'
import { deviceBundle, parseReading, stringifyExact } from '@fhir-outbox/fhir-bundles'
import { parse } from 'lossless-json'
import { AgentError } from '../agent-error.js'
import { unitKeys } from './keys.js'
import type { Unit } from './units.js'

/** A unit as the queue takes it. */
export interface UnitWrite extends QueuedWrite {
  readonly unit: Unit
}

/** Gives every unit its key and turns readings into device Bundles. Throws for a reading that is wrong. */
export function writesOf(destination: string, units: readonly Unit[]): readonly UnitWrite[] {
  const keys = unitKeys(destination, units)
  return units.map((unit, index) => ({
    unit,
    key: keys[index] ?? '',
    once: true,
    ...(unit.kind === 'reading'
      ? { resource: bundleOf(unit), transaction: true }
      : { resource: unit.json, transaction: unit.kind === 'transaction' }),
  }))
}

/** Stores all units of one input, or none; names the unit that is refused. */
export async function acceptUnits(
  queue: DataQueue,
  writes: readonly UnitWrite[],
): Promise<readonly Enqueued[]> {
  for (const write of writes) await previewUnit(queue, write)
  return queue.enqueueAll(writes)
}

/** What would be sent for one unit, or the error that names it. */
export async function previewUnit(
  queue: DataQueue,
  { unit, resource, ...write }: UnitWrite,
): Promise<Awaited<ReturnType<DataQueue['preview']>>> {
  try {
    return await queue.preview(resource, write)
  } catch (error) {
    throw naming(unit, error)
  }
}

function bundleOf(unit: Unit): string {
  try {
    const { bundle } = deviceBundle([parseReading(readingJson(unit.json))])
    if (bundle !== undefined) return stringifyExact(bundle)
  } catch (error) {
    throw naming(unit, error)
  }
  throw new AgentError('ERR_BAD_INPUT', `${unit.source}: the reading cannot be placed in time.`, {
    hint: 'The device clock was not on the current time line; give time.quality "none" with the gatewayTime of reception.',
  })
}

/** Fractions become texts, so that no digit of a measurement goes through a binary float. */
function readingJson(json: string): unknown {
  return parse(json, undefined, (digits) => (/^-?\d{1,15}$/.test(digits) ? Number(digits) : digits))
}

/** The same error, with the place in the file in front. */
function naming(unit: Unit, cause: unknown): unknown {
  if (!(cause instanceof Error) || !('hint' in cause)) return cause
  return new AgentError('ERR_BAD_INPUT', `${unit.source}: ${cause.message}`, {
    hint: String(cause.hint),
    cause,
  })
}
