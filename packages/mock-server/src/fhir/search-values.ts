import { asArray, isObject } from '../json.js'
import { FhirProblem } from './problem.js'

/** Splits at `separator` where it is not escaped by a backslash; the parts stay escaped. */
export function splitEscaped(text: string, separator: ',' | '|'): readonly string[] {
  const parts: string[] = []
  let part = ''
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index)
    if (character === '\\') {
      part += text.slice(index, index + 2)
      index += 1
    } else if (character === separator) {
      parts.push(part)
      part = ''
    } else {
      part += character
    }
  }
  return [...parts, part]
}

/** `\,` `\|` `\$` `\\` → the character itself (R4 search, "Escaping Search Parameters"). */
export function unescapeValue(text: string): string {
  return text.replaceAll(/\\([,|$\\])/g, '$1')
}

export interface Token {
  /** `undefined`: any system; empty: no system. */
  readonly system: string | undefined
  /** `undefined`: any code of the system. */
  readonly code: string | undefined
}

export function parseToken(text: string): Token {
  const parts = splitEscaped(text, '|')
  if (parts.length > 2)
    throw new FhirProblem(400, 'invalid', 'A token value has more than one unescaped `|`.')
  const [first = '', second] = parts.map(unescapeValue)
  if (second === undefined) return { system: undefined, code: first }
  return { system: first, code: second === '' ? undefined : second }
}

export function tokenMatches(token: Token, system: unknown, code: unknown): boolean {
  if (token.code !== undefined && token.code !== code) return false
  if (token.system === undefined) return true
  return token.system === '' ? system === undefined : token.system === system
}

/** Every (system, code) pair an element offers to a token search: Identifier, Coding, CodeableConcept or code. */
export function tokenPairs(element: unknown): readonly (readonly [system: unknown, code: unknown])[] {
  return asArray(element).flatMap((item): (readonly [unknown, unknown])[] => {
    if (!isObject(item)) return [[undefined, item]]
    if (item['coding'] !== undefined)
      return asArray(item['coding']).flatMap((coding) => [...tokenPairs(coding)])
    return [[item['system'], item['code'] ?? item['value']]]
  })
}

const datePattern =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3})\d*)?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/

/** From `start` up to, not including, `end`; milliseconds since 1970. */
export interface TimeRange {
  readonly start: number
  readonly end: number
}

/** All of the time that a date stands for; values without a zone are UTC. `undefined` when it cannot be read. */
export function timeRange(text: unknown): TimeRange | undefined {
  const match = typeof text === 'string' ? datePattern.exec(text) : null
  if (match === null) return undefined
  const [, year = '', month, day, hour, minute, second, fraction, zone = 'Z'] = match
  const start = Date.parse(
    `${year}-${month ?? '01'}-${day ?? '01'}T${hour ?? '00'}:${minute ?? '00'}:${second ?? '00'}.${(fraction ?? '').padEnd(3, '0')}${zone}`,
  )
  if (Number.isNaN(start)) return undefined
  let length = 1
  if (month === undefined) length = Date.UTC(Number(year) + 1, 0) - Date.UTC(Number(year), 0)
  else if (day === undefined)
    length = Date.UTC(Number(year), Number(month)) - Date.UTC(Number(year), Number(month) - 1)
  else if (hour === undefined) length = 86_400_000
  else if (second === undefined) length = 60_000
  else if (fraction === undefined) length = 1000
  return { start, end: start + length }
}

/** A test for the range of a resource (R4 search, "date"). */
export function parseDateTest(text: string): (range: TimeRange) => boolean {
  const [, prefix = 'eq', value = ''] = /^(eq|ne|gt|lt|ge|le|sa|eb)?(.*)$/s.exec(text) ?? []
  const wanted = timeRange(value)
  if (wanted === undefined) throw new FhirProblem(400, 'value', 'A date value cannot be read.')
  const within = ({ start, end }: TimeRange): boolean => start >= wanted.start && end <= wanted.end
  switch (prefix) {
    case 'ne':
      return (range) => !within(range)
    case 'gt':
      return ({ end }) => end > wanted.end
    case 'lt':
      return ({ start }) => start < wanted.start
    case 'ge':
      return (range) => range.end > wanted.end || within(range)
    case 'le':
      return (range) => range.start < wanted.start || within(range)
    case 'sa':
      return ({ start }) => start >= wanted.end
    case 'eb':
      return ({ end }) => end <= wanted.start
    default:
      return within
  }
}
