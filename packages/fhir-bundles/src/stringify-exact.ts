import { decimalText, isDecimal } from './decimal.js'
import { BundleError } from './errors.js'

// Strings that JSON writes as they are: no quote, backslash, control character or surrogate.
// eslint-disable-next-line no-control-regex
const PLAIN = /^[^"\\\u0000-\u001f\ud800-\udfff]*$/

/**
 * `JSON.stringify` for resources that hold `Decimal`s: prints every decimal with exactly its digits (`2.0` stays
 * `2.0`). Members with the value `undefined` are left out; everything JSON cannot say is refused, not skipped.
 *
 * @param indent spaces per level; 0 (the default) prints one line.
 * @throws BundleError `ERR_NOT_SERIALIZABLE`: functions, symbols, bare bigints, NaN, infinities, `undefined` in an
 * array, class instances other than plain objects, cycles.
 * @example stringifyExact({ value: decimal('2.0') }) // '{"value":2.0}'
 */
export function stringifyExact(value: unknown, indent: number = 0): string {
  return write(value, indent === 0 ? '' : ' '.repeat(indent), '\n', [])
}

/**
 * A copy that `JSON.stringify` and FHIR libraries can take: decimals become numbers. Trailing zeros are lost, and
 * so are digits beyond what a double can hold: prefer `stringifyExact` for what goes on the wire.
 *
 * @throws BundleError `ERR_NOT_SERIALIZABLE`, as `stringifyExact`.
 */
export function toPlainJson(value: unknown): unknown {
  return JSON.parse(stringifyExact(value)) as unknown
}

function write(value: unknown, step: string, margin: string, parents: object[]): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'number':
      if (!Number.isFinite(value)) throw refuse('a number that is not finite')
      return String(Object.is(value, -0) ? 0 : value)
    case 'object':
      return value === null ? 'null' : writeObject(value, step, margin, parents)
    default:
      throw refuse(`a value of type ${typeof value}`)
  }
}

function writeObject(value: object, step: string, margin: string, parents: object[]): string {
  if (isDecimal(value)) return decimalText(value)
  if (parents.includes(value)) throw refuse('a cycle')
  parents.push(value)
  const text = writeMembers(value, step, margin, parents)
  parents.pop()
  return text
}

function writeMembers(value: object, step: string, margin: string, parents: object[]): string {
  const inner = step === '' ? '' : margin + step
  if (Array.isArray(value)) {
    const items: string[] = []
    // Unlike map, for-of visits holes, so that they are refused like any other undefined item.
    for (const item of value as readonly unknown[]) items.push(write(item, step, inner, parents))
    return items.length === 0 ? '[]' : wrap('[', items, ']', inner, step === '' ? '' : margin)
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw refuse('a class instance')
  const members: string[] = []
  const colon = step === '' ? ':' : ': '
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) members.push(quote(name) + colon + write(member, step, inner, parents))
  }
  return members.length === 0 ? '{}' : wrap('{', members, '}', inner, step === '' ? '' : margin)
}

function wrap(open: string, items: readonly string[], close: string, inner: string, margin: string): string {
  return `${open}${inner}${items.join(`,${inner}`)}${margin}${close}`
}

function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

function refuse(what: string): BundleError {
  return new BundleError('ERR_NOT_SERIALIZABLE', `JSON cannot hold ${what}`)
}
