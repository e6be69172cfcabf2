import { BundleError } from '../errors.js'

/** Small parsers for untrusted JSON. Messages name the place, never the value. */

export function invalid(path: string, what: string, cause?: unknown): BundleError {
  return new BundleError('ERR_INVALID_READING', `${path === '' ? 'The reading' : path} ${what}`, {
    path,
    ...(cause === undefined ? {} : { cause }),
  })
}

export type Fields = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object with no members but the allowed ones: a misspelt optional member must not vanish. */
export function fields(value: unknown, path: string, allowed: readonly string[]): Fields {
  if (!isObject(value)) throw invalid(path, 'must be an object')
  for (const name of Object.keys(value)) {
    if (!allowed.includes(name)) {
      throw invalid(join(path, name), `is not a known member; known here: ${allowed.join(', ')}`)
    }
  }
  return value
}

export function member(object: Fields, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

export function join(path: string, name: string | number): string {
  if (typeof name === 'number') return `${path}[${name}]`
  return path === '' ? name : `${path}.${name}`
}

export function list<T>(
  value: unknown,
  path: string,
  parse: (item: unknown, path: string) => T,
): readonly T[] {
  if (!Array.isArray(value)) throw invalid(path, 'must be an array')
  return Array.from(value, (item: unknown, index) => parse(item, join(path, index)))
}

// A lone surrogate cannot be sent as UTF-8, control characters are not allowed in a FHIR string.
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f]|\p{Surrogate}/u

export function text(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalid(path, 'must be a text')
  if (value.trim() === '') throw invalid(path, 'must not be empty: FHIR has no empty texts; leave it out')
  if (FORBIDDEN.test(value)) throw invalid(path, 'must not hold control characters or half characters')
  return value
}

export function oneOf<T extends string>(value: unknown, path: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value)
  if (found === undefined) throw invalid(path, `must be one of ${choices.join(', ')}`)
  return found
}

export function positiveInteger(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    throw invalid(path, 'must be a positive integer')
  }
  return value
}

export function optional<T>(
  value: unknown,
  path: string,
  parse: (value: unknown, path: string) => T,
): T | undefined {
  return value === undefined ? undefined : parse(value, path)
}

/** Leaves out members that are `undefined`: validators report their mere presence. */
export function compact<T extends object>(value: T): Compact<T> {
  const kept: Record<string, unknown> = {}
  for (const name of Object.keys(value)) {
    const item = (value as Readonly<Record<string, unknown>>)[name]
    if (item !== undefined) kept[name] = item
  }
  return kept as Compact<T>
}

type Compact<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K]
} & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** True when the whole has every member of the part with the same content; of lists, that is the same list. */
export function isWithin(part: object, whole: object): boolean {
  if (Array.isArray(part) && (!Array.isArray(whole) || part.length !== whole.length)) return false
  for (const name in part) {
    const a = (part as Fields)[name]
    const b = (whole as Fields)[name]
    if (a === b) continue
    if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || !isWithin(a, b))
      return false
  }
  return true
}

export function keysOf<T extends object>(value: T): readonly (keyof T & string)[] {
  return Object.keys(value) as (keyof T & string)[]
}
