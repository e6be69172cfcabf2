import { describe, expect, it } from 'vitest'
import { ids, json, links } from './json.js'
import { modes, openRig, startTime } from './rig.js'

const second = 1000

describe.each(modes)('search over %s', (mode) => {
  const open = async () => {
    const rig = await openRig(mode, { open: true })
    const observation = (id: string, more: object) => ({ resourceType: 'Observation', id, ...more })
    rig.mock.state.load([
      observation('a', {
        identifier: [{ system: 's', value: '1' }, { value: 'bare' }],
        subject: { reference: 'Patient/p' },
        code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
        status: 'final',
      }),
    ])
    rig.advance(10 * second)
    rig.mock.state.load([
      observation('b', {
        identifier: [{ system: 's', value: '2' }],
        subject: { reference: `${rig.root}/fhir/Patient/p/_history/3` },
        meta: { tag: [{ system: 't', code: 'x' }] },
        status: 'preliminary',
      }),
      observation('c', { subject: { reference: 'Group/p' }, category: [{ coding: [{ code: 'vital' }] }] }),
      { resourceType: 'Device', id: 'd', patient: { reference: 'Patient/p' } },
      { resourceType: 'QuestionnaireResponse', id: 'e', identifier: { system: 's', value: '1' } },
    ])
    return rig
  }

  it.each([
    ['Observation', 'a b c'],
    ['Observation?_id=a,c,zz', 'a c'],
    ['Observation?identifier=1', 'a'],
    ['Observation?identifier=s|1,s|2', 'a b'],
    ['Observation?identifier=s|', 'a b'],
    ['Observation?identifier=|bare', 'a'],
    ['Observation?identifier=|1', ''],
    ['Observation?identifier=S|1', ''],
    ['Observation?identifier=s|1&identifier=bare', 'a'],
    ['Observation?identifier=s|1&identifier=s|2', ''],
    ['Observation?_tag=t|x', 'b'],
    ['Observation?_tag=t|', 'b'],
    ['Observation?code=http://loinc.org|8867-4', 'a'],
    ['Observation?category=vital', 'c'],
    ['Observation?status=final', 'a'],
    ['Observation?subject=Patient/p', 'a b'],
    ['Observation?subject=p', 'a b c'],
    ['Observation?subject:Group=p', 'c'],
    ['Observation?patient=p', 'a b'],
    ['Observation?patient=Patient/p', 'a b'],
    ['Device?patient=p', 'd'],
    ['QuestionnaireResponse?identifier=s|1', 'e'],
    ['Observation?_sort=-_id', 'c b a'],
    ['Observation?_sort=-_lastUpdated', 'c b a'],
    ['Observation?whatever=1', 'a b c'],
  ])('finds %s', async (query, expected) => {
    const { send } = await open()
    const response = await send(`/fhir/${query}`)
    expect(response.status).toBe(200)
    const bundle = await json(response)
    expect(ids(bundle)).toEqual(expected.split(' ').filter((id) => id !== ''))
    expect(bundle['total']).toBe(ids(bundle).length)
  })

  it.each([
    ['2026-01-02T03:04:05Z', 'a'],
    ['gt2026-01-02T03:04:05Z', 'b c'],
    ['le2026-01-02T03:04:05Z', 'a'],
    ['ge2026-01-02T03:04:15.000Z', 'b c'],
    ['ne2026-01-02T03:04:05Z', 'b c'],
    ['2026-01-02', 'a b c'],
    ['2026-01-02T04:04:05%2B01:00', 'a'],
    ['2026-01', 'a b c'],
    ['lt2026', ''],
    ['sa2025', 'a b c'],
    ['lt2026-01-02T03:04:05Z,gt2026-01-02T03:04:10Z', 'b c'],
  ])('compares _lastUpdated with %s', async (value, expected) => {
    const { send } = await open()
    const bundle = await json(send(`/fhir/Observation?_lastUpdated=${value}`))
    expect(ids(bundle)).toEqual(expected.split(' ').filter((id) => id !== ''))
  })

  it.each([
    '_count=many',
    '_lastUpdated=yesterday',
    '_lastUpdated=2026-99',
    '_sort=name',
    'patient:Device=p',
    '_id=',
  ])('refuses %s', async (query) => {
    const { send } = await open()
    expect((await send(`/fhir/Observation?${query}`)).status).toBe(400)
  })

  it('refuses unknown parameters when handling is strict, and shows what it used', async () => {
    const { send, root } = await open()
    const strict = { headers: { prefer: 'handling=strict' } }
    expect((await send('/fhir/Observation?whatever=1', strict)).status).toBe(400)
    expect((await send('/fhir/Observation?_summary=text', strict)).status).toBe(400)
    expect((await send('/fhir/Observation?status=final', strict)).status).toBe(200)
    const bundle = await json(send('/fhir/Observation?whatever=1&status=final'))
    expect(links(bundle)['self']).toBe(`${root}/fhir/Observation?status=final`)
  })

  it('takes criteria from URL and form', async () => {
    const { send } = await open()
    const init = { method: 'POST', body: new URLSearchParams({ identifier: 's|1,s|2' }) }
    expect(ids(await json(send('/fhir/Observation/_search?status=final', init)))).toEqual(['a'])
    const plain = { method: 'POST', headers: { 'content-type': 'application/fhir+json' }, body: '{}' }
    expect((await send('/fhir/Observation/_search', plain)).status).toBe(415)
    expect((await send('/fhir/Observation/_search')).status).toBe(405)
  })

  it('counts without entries', async () => {
    const { send } = await open()
    for (const query of ['_summary=count', '_count=0']) {
      const bundle = await json(send(`/fhir/Observation?${query}`))
      expect(bundle).toMatchObject({ type: 'searchset', total: 3 })
      expect(bundle).not.toHaveProperty('entry')
      expect(Object.keys(links(bundle))).toEqual(['self'])
    }
  })

  it('pages through the result as it stood at the start', async () => {
    const { send, mock, root, advance } = await openRig(mode, { open: true })
    const names = Array.from({ length: 7 }, (_, index) => `r${index}`)
    mock.state.load(names.map((id) => ({ resourceType: 'Basic', id })))
    const first = await json(send('/fhir/Basic?_count=3'))
    expect(ids(first)).toEqual(['r0', 'r1', 'r2'])
    expect(first['total']).toBe(7)
    await send('/fhir/Basic/r5', { method: 'DELETE' })
    mock.state.load([{ resourceType: 'Basic', id: 'late' }])

    const next = links(first)['next'] ?? ''
    expect(next.startsWith(`${root}/fhir/Basic/__page/`)).toBe(true)
    const middle = await json(fetch(next))
    expect(ids(middle)).toEqual(['r3', 'r4', 'r5'])
    const third = await json(fetch(links(middle)['next'] ?? ''))
    expect(ids(third)).toEqual(['r6'])
    expect(links(third)).not.toHaveProperty('next')
    expect(ids(await json(fetch(links(third)['previous'] ?? '')))).toEqual(['r3', 'r4', 'r5'])
    expect(ids(await json(fetch(links(third)['first'] ?? '')))).toEqual(['r0', 'r1', 'r2'])
    // Page links differ in every answer and die after their time.
    const again = await json(fetch(next))
    expect(links(again)['next']).not.toBe(links(middle)['next'])
    expect((await fetch(next.replace('/Basic/', '/Patient/'))).status).toBe(404)
    expect((await fetch(`${next}0`)).status).toBe(404)
    advance(5 * 60 * 60 * second)
    const expired = await fetch(next)
    expect(expired.status).toBe(404)
    expect(await json(expired)).toMatchObject({ issue: [{ code: 'not-found' }] })
  })

  it('forgets identifiers and tags that an update or a delete took away', async () => {
    const { send, write } = await open()
    const found = async (query: string) => ids(await json(send(`/fhir/Observation?${query}`)))
    const b = { resourceType: 'Observation', id: 'b', status: 'final', code: { text: 'x' } }
    await write('PUT', '/fhir/Observation/b', { ...b, identifier: [{ system: 's', value: '3' }] })
    expect([await found('identifier=s|2'), await found('_tag=t|x'), await found('identifier=s|3')]).toEqual([
      [],
      [],
      ['b'],
    ])
    await send('/fhir/Observation/b', { method: 'DELETE' })
    expect(await found('identifier=s|3')).toEqual([])
    await write('PUT', '/fhir/Observation/b', { ...b, identifier: [{ system: 's', value: '3' }] })
    expect(await found('identifier=s|3')).toEqual(['b'])
  })

  it('stamps the time of the injected clock', async () => {
    const { mock } = await open()
    expect(mock.state.get('Observation', 'a')?.['meta']).toEqual({
      versionId: '1',
      lastUpdated: new Date(startTime).toISOString(),
    })
  })
})
