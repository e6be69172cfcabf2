import { describe, expect, it } from 'vitest'
import { interactions, type InteractionName } from '../src/fhir/interactions.js'
import { fhirProfiles } from '../src/fhir/profile.js'
import { json } from './rig.js'
import { holds, ids, links, tableRig, type TableRig } from './table-rig.js'

const basics = ['a', 'b', 'c'].map((id) => ({ resourceType: 'Basic', id, identifier: [{ value: id }] }))
const patch = [{ op: 'add', path: '/language', value: 'en' }]
const patchHeaders = { 'content-type': 'application/json-patch+json' }
const bundle = (type: string) => ({
  resourceType: 'Bundle',
  type,
  entry: [{ resource: { resourceType: 'Flag' }, request: { method: 'POST', url: 'Flag' } }],
})

async function status(response: Promise<Response>): Promise<number> {
  return (await response).status
}

/** What each row of the table is there for. Every case begins with three Basics and one Patient. */
const cases: Readonly<Record<InteractionName, (rig: TableRig) => Promise<void>>> = {
  capabilities: async ({ get }) => {
    expect(await get('/fhir/metadata')).toMatchObject({ resourceType: 'CapabilityStatement' })
  },
  'search-system': async ({ get }) => {
    expect(ids(await get('/fhir?_id=b'))).toEqual(['b'])
    expect(ids(await get('/fhir?_type=Patient'))).toEqual(['p'])
  },
  'search-system-post': async ({ send }) => {
    const init = { method: 'POST', body: new URLSearchParams({ _id: 'b' }) }
    expect(ids(await json(send('/fhir/_search', init)))).toEqual(['b'])
  },
  'search-system-page': async ({ get }) => {
    const first = await get('/fhir?_count=3')
    expect(ids(await get(links(first)['next'] ?? ''))).toEqual(['p'])
  },
  'history-system': async ({ get }) => {
    expect(ids(await get('/fhir/_history'))).toEqual(['p', 'c', 'b', 'a'])
  },
  'history-system-page': async ({ get }) => {
    const first = await get('/fhir/_history?_count=3')
    expect(first['total']).toBe(4)
    expect(ids(await get(links(first)['next'] ?? ''))).toEqual(['a'])
  },
  'async-status': async ({ send, advance }) => {
    const accepted = await send('/fhir/Basic?_id=a&_summary=count', { headers: { prefer: 'respond-async' } })
    expect(accepted.status).toBe(202)
    advance(1000)
    const done = await json(send(accepted.headers.get('content-location') ?? ''))
    expect(done).toMatchObject({ type: 'batch-response', entry: [{ resource: { total: 1 } }] })
  },
  'async-cancel': async ({ send }) => {
    const accepted = await send('/fhir/Basic?_id=a&_summary=count', { headers: { prefer: 'respond-async' } })
    const url = accepted.headers.get('content-location') ?? ''
    expect(await status(send(url, { method: 'DELETE' }))).toBe(202)
    expect(await status(send(url))).toBe(404)
  },
  'bundle-job-status': async ({ write, send }) => {
    const { headers } = await write('POST', '/fhir', bundle('batch'), { prefer: 'respond-async' })
    expect(await status(send(headers.get('content-location') ?? ''))).toBe(202)
  },
  'bundle-job-cancel': async ({ write, send }) => {
    const { headers } = await write('POST', '/fhir', bundle('batch'), { prefer: 'respond-async' })
    const url = headers.get('content-location') ?? ''
    expect(await status(send(url, { method: 'DELETE' }))).toBe(202)
    expect(await json(send(url))).toMatchObject({ status: 'cancelled' })
  },
  'bundle-job-result': async ({ write, get, advance }) => {
    const { headers } = await write('POST', '/fhir', bundle('batch'), { prefer: 'respond-async' })
    advance(1000)
    const job = JSON.stringify(await get(headers.get('content-location') ?? ''))
    const [reference] = /Binary\/[0-9a-f-]+/.exec(job) ?? []
    expect(await get(`/fhir/${reference}`)).toMatchObject({ type: 'batch-response' })
  },
  transaction: async ({ write, mock }) => {
    expect(await json(write('POST', '/fhir', bundle('transaction')))).toMatchObject({
      type: 'transaction-response',
    })
    expect(mock.state.resources('Flag')).toHaveLength(1)
  },
  batch: async ({ write }) => {
    expect(await json(write('POST', '/fhir', bundle('batch')))).toMatchObject({ type: 'batch-response' })
  },
  'search-type': async ({ get }) => {
    expect(ids(await get('/fhir/Basic?identifier=c'))).toEqual(['c'])
  },
  'search-type-post': async ({ send }) => {
    const init = { method: 'POST', body: new URLSearchParams({ identifier: 'c' }) }
    expect(ids(await json(send('/fhir/Basic/_search', init)))).toEqual(['c'])
  },
  'search-type-page': async ({ get }) => {
    expect(ids(await get(links(await get('/fhir/Basic?_count=2'))['next'] ?? ''))).toEqual(['c'])
  },
  'history-type': async ({ get }) => {
    expect(ids(await get('/fhir/Basic/_history'))).toEqual(['c', 'b', 'a'])
  },
  'history-type-page': async ({ get }) => {
    expect(ids(await get(links(await get('/fhir/Basic/_history?_count=2'))['next'] ?? ''))).toEqual(['a'])
  },
  create: async ({ write, mock }) => {
    expect(await status(write('POST', '/fhir/Flag', { resourceType: 'Flag' }))).toBe(201)
    expect(mock.state.resources('Flag')).toHaveLength(1)
  },
  'conditional-create': async ({ write, mock }) => {
    const condition = { 'if-none-exist': 'identifier=a' }
    expect(await status(write('POST', '/fhir/Basic', { resourceType: 'Basic' }, condition))).toBe(200)
    expect(mock.state.resources('Basic')).toHaveLength(3)
  },
  'conditional-update': async ({ write, mock }) => {
    const body = { resourceType: 'Basic', identifier: [{ value: 'a' }], language: 'en' }
    expect(await status(write('PUT', '/fhir/Basic?identifier=a', body))).toBe(200)
    expect(mock.state.get('Basic', 'a')).toMatchObject({ language: 'en' })
    expect(await status(write('PUT', '/fhir/Basic?identifier=new', body))).toBe(201)
    expect(await status(write('PUT', '/fhir/Basic?identifier=a', body))).toBe(412)
  },
  'conditional-patch': async ({ write, mock }) => {
    expect(await status(write('PATCH', '/fhir/Basic?identifier=a', patch, patchHeaders))).toBe(200)
    expect(mock.state.get('Basic', 'a')).toMatchObject({ language: 'en' })
    expect(await status(write('PATCH', '/fhir/Basic?identifier=none', patch, patchHeaders))).toBe(404)
  },
  'conditional-delete': async ({ send, mock }) => {
    expect(await status(send('/fhir/Basic?identifier=a', { method: 'DELETE' }))).toBe(204)
    expect(mock.state.get('Basic', 'a')).toBeUndefined()
  },
  read: async ({ get }) => {
    expect(await get('/fhir/Basic/a')).toMatchObject({ id: 'a' })
  },
  vread: async ({ write, get }) => {
    await write('PUT', '/fhir/Basic/a', { resourceType: 'Basic', id: 'a', language: 'en' })
    const history = await get('/fhir/Basic/a/_history')
    const first = String(history['entry']?.[1]?.['resource']?.['meta']?.['versionId'])
    const old = await get(`/fhir/Basic/a/_history/${first}`)
    expect(old).toMatchObject({ id: 'a' })
    expect(old).not.toHaveProperty('language')
  },
  update: async ({ write, mock }) => {
    const body = { resourceType: 'Basic', id: 'a', language: 'en' }
    expect(await status(write('PUT', '/fhir/Basic/a', body))).toBe(200)
    expect(mock.state.get('Basic', 'a')).toMatchObject({ language: 'en' })
  },
  patch: async ({ write, mock, get }) => {
    expect(await status(write('PATCH', '/fhir/Basic/a', patch, patchHeaders))).toBe(200)
    expect(mock.state.get('Basic', 'a')).toMatchObject({ language: 'en' })
    expect((await get('/fhir/Basic/a/_history'))['entry']?.[0]?.['request']).toEqual({
      method: 'PATCH',
      url: 'Basic/a',
    })
  },
  delete: async ({ send, mock }) => {
    expect(await status(send('/fhir/Basic/a', { method: 'DELETE' }))).toBe(204)
    expect(mock.state.get('Basic', 'a')).toBeUndefined()
  },
  'history-instance': async ({ get, write }) => {
    await write('PUT', '/fhir/Basic/a', { resourceType: 'Basic', id: 'a', language: 'en' })
    expect(ids(await get('/fhir/Basic/a/_history'))).toEqual(['a', 'a'])
  },
  'history-instance-page': async ({ get, write }) => {
    await write('PUT', '/fhir/Basic/a', { resourceType: 'Basic', id: 'a', language: 'en' })
    const first = await get('/fhir/Basic/a/_history?_count=1')
    expect(first['entry']?.[0]?.['resource']).toMatchObject({ language: 'en' })
    expect((await get(links(first)['next'] ?? ''))['entry']?.[0]?.['resource']).not.toHaveProperty('language')
  },
  'delete-history': async ({ get, write, send }) => {
    await write('PUT', '/fhir/Basic/a', { resourceType: 'Basic', id: 'a', language: 'en' })
    expect(await status(send('/fhir/Basic/a/_history', { method: 'DELETE' }))).toBe(204)
    expect(ids(await get('/fhir/Basic/a/_history'))).toEqual(['a'])
    expect(await get('/fhir/Basic/a')).toMatchObject({ language: 'en' })
  },
  everything: async ({ get }) => {
    const whole = await get('/fhir/Patient/p/$everything')
    expect([whole['total'], ids(whole)]).toEqual([1, ['p']])
  },
  'everything-page': async ({ get, mock }) => {
    mock.state.load([{ resourceType: 'Flag', id: 'f', subject: { reference: 'Patient/p' } }])
    const first = await get('/fhir/Patient/p/$everything?_count=1')
    expect(Object.keys(links(first))).toEqual(['next'])
    expect(first).not.toHaveProperty('total')
    expect(ids(await get(links(first)['next'] ?? ''))).toEqual(['f'])
  },
}

/** Of the list of Blaze's interactions, what a client can do there. */
const ofBlaze: readonly InteractionName[] = [
  'read',
  'vread',
  'update',
  'delete',
  'delete-history',
  'history-instance',
  'create',
  'conditional-create',
  'search-type',
  'search-type-post',
  'conditional-delete',
  'history-type',
  'capabilities',
  'batch',
  'transaction',
  'search-system',
  'history-system',
  'everything',
]

function begin(profile: 'strict' | 'blaze' | 'medplum', missing?: InteractionName): TableRig {
  const rig = tableRig({ profiles: { fhir: profile } }, { interaction: missing })
  rig.mock.state.load([...basics, { resourceType: 'Patient', id: 'p' }])
  return rig
}

describe('the table of interactions', () => {
  it('has one row for every name, and a case for every row', () => {
    expect(interactions.map(({ name }) => name).toSorted()).toEqual(Object.keys(cases).toSorted())
  })

  describe.each(['strict', 'blaze'] as const)('of the profile %s', (profile) => {
    const there = interactions.filter(({ needs }) => needs?.(fhirProfiles[profile]) !== false)
    it.each(there.map(({ name }) => name))('needs its row %s', async (name) => {
      await cases[name](begin(profile))
      expect(await holds(() => cases[name](begin(profile, name)))).toBe(false)
    })
  })

  const ofMedplum = interactions.map(({ name }) => name).filter((name) => name.startsWith('bundle-job'))
  it.each(ofMedplum)('needs its row %s in the profile medplum', async (name) => {
    await cases[name](begin('medplum'))
    expect(await holds(() => cases[name](begin('medplum', name)))).toBe(false)
  })

  it('covers what Blaze offers, and nothing that Blaze refuses', async () => {
    const there = new Set(
      interactions.filter(({ needs }) => needs?.(fhirProfiles.blaze) !== false).map(({ name }) => name),
    )
    expect(ofBlaze.filter((name) => !there.has(name))).toEqual([])
    const { write, send } = begin('blaze')
    expect(await status(write('PATCH', '/fhir/Basic/a', patch, patchHeaders))).toBe(405)
    expect(await status(write('PUT', '/fhir/Basic?identifier=a', basics[0]))).toBe(405)
    const etag = (await send('/fhir/Basic/a')).headers.get('etag') ?? ''
    expect(await status(send('/fhir/Basic/a', { headers: { 'if-none-match': etag } }))).toBe(200)
    const entry = [{ resource: { resourceType: 'Binary' }, request: { method: 'PATCH', url: 'Basic/a' } }]
    expect(await status(write('POST', '/fhir', { resourceType: 'Bundle', type: 'transaction', entry }))).toBe(
      422,
    )
  })
})
