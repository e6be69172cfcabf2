import { isLosslessNumber, parse, stringify } from 'lossless-json'
import { storageLimits } from '@fhir-outbox/queue-core'
import { AgentError } from '../agent-error.js'

/** One thing to deliver, as compact JSON text whose numbers are spelled as in the file. */
export interface Unit {
  readonly kind: 'resource' | 'transaction' | 'reading'
  readonly json: string
  /** File, and line or entry where there are several, for messages. */
  readonly source: string
}

type JsonObject = Record<string, unknown>

/**
 * Reads FHIR JSON, NDJSON, Bundles and reading JSON into units, in order. A `transaction` stays one unit, a
 * `collection` or `searchset` becomes its resources. Throws `ERR_BAD_INPUT` naming the file and the place;
 * nothing of a bad file is used.
 */
export function readUnits(
  source: string,
  content: string,
  { maxBytes = storageLimits.payloadBytes }: { readonly maxBytes?: number } = {},
): readonly Unit[] {
  const units = parsedUnits(source, content)
  for (const unit of units) requireSize(unit, maxBytes)
  return units
}

/** Found here, the sentence can say which one it is. */
function requireSize({ source, json }: Unit, maxBytes: number): void {
  // No text takes more than three bytes for a code unit: most need not be measured.
  if (json.length * 3 <= maxBytes) return
  const bytes = new TextEncoder().encode(json).length
  if (bytes <= maxBytes) return
  throw bad(
    `${source} has ${bytes} bytes, and the queue takes at most ${maxBytes} in one resource or transaction.`,
    'Split it, or store what is large elsewhere and refer to it.',
  )
}

function parsedUnits(source: string, content: string): readonly Unit[] {
  if (content.trim() === '') throw bad(`${source} is empty.`, 'Give a file with FHIR JSON or NDJSON.')
  const whole = tryParse(content)
  if (whole.ok) return unitsOf(source, whole.value)
  const lines = content.split(/\r?\n/)
  const used = lines.flatMap((line, index) => (line.trim() === '' ? [] : [{ line, number: index + 1 }]))
  const first = used[0]
  // One broken JSON text over many lines is not NDJSON: then the error of the whole file is the useful one.
  if (first === undefined || used.length < 2 || !tryParse(first.line).ok) {
    throw bad(
      `${source} is not JSON: ${whole.reason}.`,
      'Give FHIR in JSON, or NDJSON with one resource a line.',
    )
  }
  return used.flatMap(({ line, number }) => {
    const parsed = tryParse(line)
    if (!parsed.ok) {
      throw bad(`${source} line ${number} is not JSON: ${parsed.reason}.`, 'Repair or remove that line.')
    }
    return unitsOf(`${source} line ${number}`, parsed.value)
  })
}

function unitsOf(source: string, value: unknown): readonly Unit[] {
  if (!isObject(value)) {
    throw bad(
      `${source} holds no FHIR resource but ${nameOf(value)}.`,
      'Put one resource a line (NDJSON) instead of a list.',
    )
  }
  if (value['resourceType'] === undefined && 'device' in value && 'measurements' in value) {
    return [unit('reading', value, source)]
  }
  if (typeof value['resourceType'] !== 'string') {
    throw bad(
      `${source} is no FHIR resource: it has no resourceType.`,
      'Give FHIR resources, Bundles, or readings with "device" and "measurements".',
    )
  }
  if (value['resourceType'] !== 'Bundle') return [unit('resource', value, source)]
  switch (value['type']) {
    case 'transaction':
      return [unit('transaction', value, source)]
    case 'collection':
    case 'searchset':
      return entriesOf(source, value).map((resource, index) =>
        unit('resource', resource, `${source} entry ${index}`),
      )
    case 'document':
    case 'message':
      return [unit('resource', value, source)]
    default:
      throw bad(
        `${source} is a Bundle of type ${String(value['type'])}, which cannot be delivered once and in order.`,
        'Make it a transaction (all or nothing) or a collection (resource by resource).',
      )
  }
}

function entriesOf(source: string, bundle: JsonObject): readonly JsonObject[] {
  const entries: unknown[] = Array.isArray(bundle['entry']) ? bundle['entry'] : []
  return entries.map((entry, index) => {
    const resource = isObject(entry) ? entry['resource'] : undefined
    if (!isObject(resource)) {
      throw bad(`${source} entry ${index} has no resource.`, 'Every entry of a collection needs a resource.')
    }
    return resource
  })
}

function unit(kind: Unit['kind'], value: JsonObject, source: string): Unit {
  return { kind, json: stringify(value) ?? '', source }
}

function tryParse(text: string): { ok: true; value: unknown } | { ok: false; reason: string } {
  try {
    return { ok: true, value: parse(text) }
  } catch (error) {
    // The parser quotes what it met: content of a patient's file, so only the position is kept.
    const message = error instanceof Error ? error.message : ''
    const position = /position (\d+)/.exec(message)?.[1]
    const what = message.startsWith('Duplicate key') ? 'a member stands twice,' : 'syntax error'
    return { ok: false, reason: position === undefined ? what : `${what} at character ${position}` }
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isLosslessNumber(value)
}

function nameOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (value === null) return 'null'
  return isLosslessNumber(value) ? 'a number' : `a ${typeof value}`
}

function bad(message: string, hint: string): AgentError {
  return new AgentError('ERR_BAD_INPUT', message, { hint })
}
