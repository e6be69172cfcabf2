import { asArray, isObject } from '../json.js'
import { idPattern, type Resource, type StoredVersion } from './model.js'
import { FhirProblem } from './problem.js'
import {
  parseDateTest,
  parseToken,
  splitEscaped,
  tokenMatches,
  tokenPairs,
  unescapeValue,
} from './search-values.js'

export interface Criterion {
  matches(version: StoredVersion): boolean
  /** When present, only resources with one of these identifier values or tag codes can match. */
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
      return {
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
      return { matches: (version) => tests.some((test) => test(version.at)) }
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
