import { kinds, type Column, type Kind } from './kinds.js'

/** One reading as the plots show it. */
export interface Point {
  readonly kind: Kind
  /** Milliseconds since 1970. */
  readonly time: number
  /** One for each column of its kind. */
  readonly values: readonly (number | undefined)[]
  /** The identifiers of its first Observation: the same here and at the server. */
  readonly ids: readonly string[]
}

type JsonObject = Readonly<Record<string, unknown>>

const nomenclature = 'urn:iso:std:iso:11073:10101'

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function objects(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

function codeOf(concept: unknown): string | undefined {
  const codings = isObject(concept) ? objects(concept['coding']) : []
  const code = codings.find(({ system }) => system === nomenclature)?.['code']
  return typeof code === 'string' ? code : undefined
}

function valueOf(observation: JsonObject, { component }: Column): number | undefined {
  const holder =
    component === undefined
      ? observation
      : objects(observation['component']).find((part) => codeOf(part['code']) === component)
  const value = holder?.['valueQuantity']
  return isObject(value) && typeof value['value'] === 'number' ? value['value'] : undefined
}

/** Readings of all kinds, oldest first. Observations of one moment belong together; whatever is no reading is left out. */
export function pointsOf(resources: readonly unknown[]): readonly Point[] {
  const observations = resources.filter(isObject).flatMap((resource) => {
    const time = Date.parse(String(resource['effectiveDateTime']))
    const code = codeOf(resource['code'])
    return resource['resourceType'] === 'Observation' && Number.isFinite(time) && code !== undefined
      ? [{ resource, time, code }]
      : []
  })
  const byMoment = new Map(observations.map(({ resource, time, code }) => [`${code} ${time}`, resource]))
  const points = observations.flatMap(({ resource, time, code }): Point[] => {
    const kind = kinds.find(({ columns: [first] }) => first.code === code)
    if (kind === undefined || valueOf(resource, kind.columns[0]) === undefined) return []
    const values = kind.columns.map((column) => {
      const holder = column.code === code ? resource : byMoment.get(`${column.code} ${time}`)
      return holder === undefined ? undefined : valueOf(holder, column)
    })
    const ids = objects(resource['identifier']).map((identifier) => String(identifier['value']))
    return [{ kind, time, values, ids }]
  })
  return points.sort((a, b) => a.time - b.time)
}

/** The points of a transaction Bundle in JSON; none for anything else. */
export function pointsOfBundle(json: string): readonly Point[] {
  try {
    const bundle: unknown = JSON.parse(json)
    return pointsOf(isObject(bundle) ? objects(bundle['entry']).map((entry) => entry['resource']) : [])
  } catch {
    return []
  }
}
