import { asArray, isObject } from '../json.js'
import { idPattern, type Resource, type StoredVersion } from './model.js'
import { FhirProblem } from './problem.js'
import {
  parseDateTest,
  parseToken,
  splitEscaped,
  timeRange,
  tokenMatches,
  tokenPairs,
  unescapeValue,
  type TimeRange,
} from './search-values.js'

export interface Criterion {
  matches(version: StoredVersion): boolean
  /** When present, only resources with one of these keys can match (`keysOf` of the repository). */
  readonly keys?: readonly string[]
  /** When present, only resources with one of these ids can match. */
  readonly ids?: readonly string[]
}

export interface SearchParameter {
  readonly name: string
  readonly type: 'token' | 'date' | 'reference'
  readonly documentation: string
  parse(value: string, modifier: string | undefined, fhirBase: string): Criterion
}

function noModifier(name: string, modifier: string | undefined): void {
  if (modifier !== undefined) {
    throw new FhirProblem(
      400,
      'not-supported',
      `The modifier of the search parameter \`${name}\` is not supported.`,
    )
  }
}

function tokenParameter(
  name: string,
  documentation: string,
  pick: (resource: Resource) => unknown,
  keyed: boolean,
): SearchParameter {
  return {
    name,
    type: 'token',
    documentation,
    parse: (value, modifier) => {
      noModifier(name, modifier)
      const tokens = splitEscaped(value, ',').map(parseToken)
      const codes = tokens.map((token) => token.code).filter((code) => code !== undefined)
      return {
        matches: ({ resource }) =>
          resource !== undefined &&
          tokenPairs(pick(resource)).some(([system, code]) =>
            tokens.some((token) => tokenMatches(token, system, code)),
          ),
        ...(keyed && codes.length === tokens.length ? { keys: codes } : {}),
      }
    },
  }
}

function referenceParameter(name: 'subject' | 'patient', members: readonly string[]): SearchParameter {
  return {
    name,
    type: 'reference',
    documentation: `Reference in ${members.map((member) => `\`${member}\``).join(' or ')}: id, Type/id or absolute URL`,
    parse: (value, modifier, fhirBase) => {
      const type = name === 'patient' ? 'Patient' : modifier
      if (modifier !== undefined && (name === 'patient' || !/^[A-Z][A-Za-z]+$/.test(modifier))) {
        noModifier(name, modifier)
      }
      const relative = (reference: string): string =>
        reference.startsWith(`${fhirBase}/`) ? reference.slice(fhirBase.length + 1) : reference
      const wanted = splitEscaped(value, ',').map((part) => relative(unescapeValue(part)))
      const fits = (reference: string): boolean =>
        (type === undefined || !/^[A-Z][A-Za-z]+\//.test(reference) || reference.startsWith(`${type}/`)) &&
        wanted.some((want) => {
          if (!idPattern.test(want)) return reference === want
          return type === undefined ? reference.endsWith(`/${want}`) : reference === `${type}/${want}`
        })
      const keys =
        type === undefined ? [] : wanted.map((want) => `ref:${idPattern.test(want) ? `${type}/` : ''}${want}`)
      return {
        // The index knows `Type/id` alone; an absolute address elsewhere has to be looked for.
        ...(keys.length > 0 && keys.every((key) => /^ref:[A-Za-z]+\/[^/]+$/.test(key)) ? { keys } : {}),
        matches: ({ resource }) =>
          resource !== undefined &&
          members
            .flatMap((member) => asArray(resource[member]))
            .some((item) => {
              const reference = isObject(item) ? item['reference'] : undefined
              return typeof reference === 'string' && fits(relative(reference).replace(/\/_history\/.*$/, ''))
            }),
      }
    },
  }
}

/** Elements that say when something happened, in the order in which a type is asked for them. */
const dateMembers = (
  'effectiveDateTime effectivePeriod effectiveInstant performedDateTime performedPeriod occurrenceDateTime ' +
  'occurrencePeriod date authored authoredOn period recordedDate dateTime issued created'
).split(' ')

function rangeOf(resource: Resource): TimeRange | undefined {
  const value = dateMembers.map((member) => resource[member]).find((member) => member !== undefined)
  if (!isObject(value)) return timeRange(value)
  const start = timeRange(value['start'])
  const end = timeRange(value['end'])
  if (start === undefined && end === undefined) return undefined
  return { start: start?.start ?? -Infinity, end: end?.end ?? Infinity }
}

/** Every search parameter of every type. The CapabilityStatement is written from this list. */
export const searchParameters: readonly SearchParameter[] = [
  {
    name: '_id',
    type: 'token',
    documentation: 'Logical id',
    parse: (value, modifier) => {
      noModifier('_id', modifier)
      const ids = splitEscaped(value, ',').map(unescapeValue)
      return { matches: (version) => ids.includes(version.id), ids }
    },
  },
  {
    name: '_lastUpdated',
    type: 'date',
    documentation: 'Time of the last change, with prefixes',
    parse: (value, modifier) => {
      noModifier('_lastUpdated', modifier)
      const tests = splitEscaped(value, ',').map((part) => parseDateTest(unescapeValue(part)))
      return { matches: ({ at }) => tests.some((test) => test({ start: at, end: at + 1 })) }
    },
  },
  {
    name: 'date',
    type: 'date',
    documentation:
      'When it happened: `effective[x]`, `date`, `authored`, `period` and the like, with prefixes',
    parse: (value, modifier) => {
      noModifier('date', modifier)
      const tests = splitEscaped(value, ',').map((part) => parseDateTest(unescapeValue(part)))
      return {
        matches: ({ resource }) => {
          const range = resource === undefined ? undefined : rangeOf(resource)
          return range !== undefined && tests.some((test) => test(range))
        },
      }
    },
  },
  tokenParameter(
    '_tag',
    '`meta.tag`',
    (resource) => (isObject(resource['meta']) ? resource['meta']['tag'] : undefined),
    true,
  ),
  tokenParameter('identifier', '`identifier`, one or many', (resource) => resource['identifier'], true),
  tokenParameter('code', '`code`', (resource) => resource['code'], false),
  tokenParameter('category', '`category`', (resource) => resource['category'], false),
  tokenParameter('status', '`status`', (resource) => resource['status'], false),
  referenceParameter('subject', ['subject']),
  referenceParameter('patient', ['patient', 'subject']),
]
