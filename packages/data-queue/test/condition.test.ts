import { expect, it } from 'vitest'
import { meetsCondition } from '../src/condition.js'

const patient = {
  resourceType: 'Patient',
  identifier: [{ system: 'urn:oid:2.999.1', value: 'a|b' }, { value: 'bare' }],
  meta: { tag: [{ system: 's', code: 'c' }] },
}

it.each([
  ['identifier=urn:oid:2.999.1|a\\|b', true],
  ['identifier=urn%3Aoid%3A2.999.1%7Ca%5C%7Cb', true],
  ['?identifier=urn:oid:2.999.1|a\\|b', true],
  ['identifier=bare', true],
  ['identifier=|bare', true],
  ['identifier=x,bare', true],
  ['identifier=urn:oid:2.999.1|bare', false],
  ['identifier=urn:oid:2.9991|a\\|b', false],
  ['_tag=s|c', true],
  ['_tag=s|d', false],
  ['_tag=s|c&identifier=bare', true],
  ['_tag=s|c&name=x', false],
  ['', false],
])('%s is met: %s', (condition, met) => {
  expect(meetsCondition(patient, condition)).toBe(met)
})
