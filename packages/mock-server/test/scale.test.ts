import { expect, it } from 'vitest'
import { createDraft, createRepository } from '../src/fhir/repository.js'
import { ids, links, tableRig } from './table-rig.js'

const count = 10_000
const perBundle = 500

it('loads 10,000 resources in transactions and pages through all of them', async () => {
  const rig = tableRig()
  for (let start = 0; start < count; start += perBundle) {
    const entry = Array.from({ length: perBundle }, (_, n) => {
      const value = `k${start + n}`
      const resource = {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        identifier: [{ value }],
        subject: { reference: 'Patient/p' },
      }
      return { resource, request: { method: 'POST', url: 'Observation', ifNoneExist: `identifier=${value}` } }
    })
    expect(
      (await rig.write('POST', '/fhir', { resourceType: 'Bundle', type: 'transaction', entry })).status,
    ).toBe(200)
  }
  const seen = new Set<string>()
  let page = await rig.get('/fhir/Observation?patient=p&_count=1000')
  expect(page['total']).toBe(count)
  for (;;) {
    for (const id of ids(page)) seen.add(id)
    const { next } = links(page)
    if (next === undefined) break
    page = await rig.get(next)
  }
  expect(seen.size).toBe(count)
})

it.each([
  ['created', undefined, false],
  ['created', undefined, true],
  ['created', ['ref:Patient/p'], false],
  ['id', undefined, false],
  ['id', undefined, true],
  ['updated', undefined, false],
  ['updated', undefined, true],
] as const)(
  'looks at as many rows for the last page as for the first: by %s, keys %j, descending %s',
  (order, keys, descending) => {
    const repository = createRepository()
    const draft = createDraft(repository, { t: 1, length: 0 })
    for (let n = 0; n < count; n += 1) {
      const id = `o${n}`
      const resource = { resourceType: 'Observation', id, subject: { reference: 'Patient/p' } }
      draft.write({ type: 'Observation', id, version: 1, versionId: '1', at: 0, method: 'POST', resource })
    }
    repository.commit(draft.written)
    const costs = new Set<number>()
    const seen = new Set<string>()
    let after: number | string | undefined
    for (let page = 0; page < count / 100; page += 1) {
      const before = repository.steps
      let left = 100
      for (const { version, cursor } of repository.scan({
        type: 'Observation',
        keys,
        order,
        descending,
        after,
        t: 1,
      })) {
        seen.add(version.id)
        after = cursor
        left -= 1
        if (left === 0) break
      }
      costs.add(repository.steps - before)
    }
    expect([...costs]).toEqual([100])
    expect(seen.size).toBe(count)
  },
)

it('pages back through all of history at the same cost per page', () => {
  const repository = createRepository()
  for (let t = 1; t <= 2000; t += 1) {
    const draft = createDraft(repository, { t, length: repository.length })
    const resource = { resourceType: 'Basic', id: 'b' }
    draft.write({ type: 'Basic', id: 'b', version: t, versionId: String(t), at: t, method: 'PUT', resource })
    repository.commit(draft.written)
  }
  let before = Infinity
  for (let page = 0; page < 20; page += 1) {
    const steps = repository.steps
    let left = 100
    for (const version of repository.newest('Basic', before, 2000)) {
      before = version.seq
      left -= 1
      if (left === 0) break
    }
    expect(repository.steps - steps).toBe(100)
  }
  expect(before).toBe(1)
})
