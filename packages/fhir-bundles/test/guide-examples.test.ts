import { describe, expect, test } from 'vitest'
import { ALWAYS, alwaysReason } from './guide/always.js'
import { type Difference, differences, nameOf, signed } from './guide/differences.js'
import { type Example, EXAMPLES } from './guide/examples.js'
import { exactJson, guideFile, guideFiles, guideIsPresent, type Json, rebuilt } from './guide/files.js'
import { guideIdsOf, nonin } from './guide/readings.js'

function compared({ name, reading, clocks, made = withCodeOf(name) }: Example): readonly Difference[] {
  const theirs = guideFile(name)
  const given = typeof reading === 'function' ? reading(theirs) : reading
  return differences(theirs, made(rebuilt(given, guideIdsOf(given, clocks))))
}

function withCodeOf(name: string): NonNullable<Example['made']> {
  const code = nameOf(guideFile(name))
  return (ours) => ours.find((resource) => nameOf(resource) === code)
}

describe.skipIf(!guideIsPresent)('examples of the guide', () => {
  test.each(EXAMPLES)('$name', (example) => {
    const others = compared(example).filter((difference) => alwaysReason(difference) === undefined)
    expect([...new Set(others.map(signed))]).toEqual(Object.keys(example.otherwise ?? {}))
  })

  test('what is always otherwise is otherwise in some example', () => {
    const found = new Set(EXAMPLES.flatMap(compared).map(alwaysReason))
    for (const [, reason] of ALWAYS) expect(found).toContain(reason)
  })

  test('every file is compared', () => {
    const compared = EXAMPLES.map(({ name }) => name)
    // A bundle each in the next file; and a DeviceMetric, which says what the Observations say.
    const others = ['bp-devicemetric-example', 'bundle-continuousnonin', 'bundle-example-1']
    expect([...compared, ...others].toSorted()).toEqual(guideFiles().toSorted())
  })

  test.each(['numeric-spotnumeric', 'meal-context-observation'])(
    'the identifier of %s is ours but for the time, and the order of the octets',
    (name) => {
      const reading = EXAMPLES.find((example) => example.name === name)?.reading
      if (typeof reading !== 'object') throw new Error('This example has a reading')
      const theirs = guideFile(name)
      // The meter's System ID is the one that the guide has in true order.
      const systemIdOrder = reading.device === nonin ? 'wire' : 'eui64'
      const ours = withCodeOf(name)(rebuilt(reading, {}, { systemIdOrder })) as Json
      const [mine, other] = [ours, theirs].map(({ identifier }) => (identifier as readonly Json[])[0])
      expect(mine?.['system']).toBe(other?.['system'])
      const calendar = /-\d{14}\.00/
      const seconds = /-\d{9}(?!\d)/
      expect(String(mine?.['value']).replace(seconds, '')).toBe(
        String(other?.['value']).replace(calendar, ''),
      )
    },
  )
})

// The guide need not be there for this.
test('a comparison sees what is added, left out and not the same, whatever the order of codes', () => {
  const concept = (...codes: readonly string[]) => ({
    coding: codes.map((code) => ({ system: 'urn:x', code })),
  })
  const theirs = exactJson(
    JSON.stringify({ status: 'final', value: 2, code: concept('a', 'b'), given: ['x', 'y'] }),
  )
  const ours = exactJson(
    '{"status":"final","value":2.0,"code":{"coding":[{"system":"urn:x","code":"b"}]},"id":"1","given":["y","x"]}',
  )
  expect(differences(theirs, ours).map(signed)).toEqual([
    '~value',
    '-code.coding[a]',
    '~given[0]',
    '~given[1]',
    '+id',
  ])
  expect(
    differences({ category: [concept('a'), concept('b')] }, { category: [concept('b'), concept('a')] }),
  ).toEqual([])
})
