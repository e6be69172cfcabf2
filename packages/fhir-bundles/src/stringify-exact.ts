import { decimalText, isDecimal } from './decimal.js'
import { BundleError } from './errors.js'
import { inOnePiece, printedOf } from './internal/constant.js'

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
  const step = indent === 0 ? '' : ' '.repeat(indent)
  return write(value, step === '' ? '' : '\n', { step, depth: 0, parents: [] })
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

type Writing = {
  /** What one level is indented by; empty for one line. */
  readonly step: string
  depth: number
  /** The objects being written, from `DEEP` levels on. */
  readonly parents: object[]
}

/** A cycle comes past any depth, so only what is nested deeper than resources are is watched for one. */
const DEEP = 64

/** `margin` is the line break and indentation of the value's level; empty for one line. */
function write(value: unknown, margin: string, writing: Writing): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'number':
      if (!Number.isFinite(value)) throw refuse('a number that is not finite')
      return String(Object.is(value, -0) ? 0 : value)
    case 'object':
      return value === null ? 'null' : writeObject(value, margin, writing)
    default:
      throw refuse(`a value of type ${typeof value}`)
  }
}

function writeObject(value: object, margin: string, writing: Writing): string {
  if (isDecimal(value)) return decimalText(value)
  const printed = margin === '' ? printedOf(value) : undefined
  if (printed?.json !== undefined) return printed.json
  const isDeep = writing.depth >= DEEP
  if (isDeep) {
    if (writing.parents.includes(value)) throw refuse('a cycle')
    writing.parents.push(value)
  }
  writing.depth += 1
  const text = Array.isArray(value)
    ? writeItems(value, margin, writing)
    : writeMembers(value, margin, writing)
  writing.depth -= 1
  if (isDeep) writing.parents.pop()
  if (printed !== undefined) printed.json = inOnePiece(text)
  return text
}

function writeItems(items: readonly unknown[], margin: string, writing: Writing): string {
  const inner = margin === '' ? '' : margin + writing.step
  const next = `,${inner}`
  let text = ''
  // Unlike map, for-of visits holes, so that they are refused like any other undefined item.
  for (const item of items) {
    text += text === '' ? `[${inner}` : next
    text += write(item, inner, writing)
  }
  return text === '' ? '[]' : `${text}${margin}]`
}

function writeMembers(value: object, margin: string, writing: Writing): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  const isPlain =
    prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
  if (!isPlain) throw refuse('a class instance')
  const inner = margin === '' ? '' : margin + writing.step
  let text = ''
  for (const name of Object.keys(value)) {
    const item = (value as Readonly<Record<string, unknown>>)[name]
    if (item === undefined) continue
    const { first, later } = margin === '' ? onOneLine(name) : nameTexts(name, inner, ': ')
    text += text === '' ? first : later
    text += write(item, inner, writing)
  }
  return text === '' ? '{}' : `${text}${margin}}`
}

/** What stands before the value of the first member of an object, and of a later one. */
type NameTexts = { readonly first: string; readonly later: string }

function nameTexts(name: string, inner: string, colon: string): NameTexts {
  const text = `${inner}${quote(name)}${colon}`
  return { first: inOnePiece(`{${text}`), later: inOnePiece(`,${text}`) }
}

/** Resources use few names, over and over. */
const names = new Map<string, NameTexts>()
const MOST_NAMES = 500

function onOneLine(name: string): NameTexts {
  const known = names.get(name)
  if (known !== undefined) return known
  const texts = nameTexts(name, '', ':')
  if (names.size < MOST_NAMES) names.set(name, texts)
  return texts
}

function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

function refuse(what: string): BundleError {
  return new BundleError('ERR_NOT_SERIALIZABLE', `JSON cannot hold ${what}`)
}
