import { describe, expect, it } from 'vitest'
import { applyJsonPatch } from '../src/fhir/json-patch.js'
import { checkResource } from '../src/fhir/structure.js'
import { FhirProblem } from '../src/fhir/problem.js'
import { jsonText, parseText } from '../src/json.js'
import { json } from './rig.js'
import { ids, tableRig } from './table-rig.js'

describe('numbers', () => {
  const texts = [
    '120.0',
    '1e3',
    '-0',
    '0.10',
    '1.00',
    '123456789012345678901',
    '0.0000001',
    '1.2345678901234567890',
    '7',
    '-2.5',
  ]

  it.each(texts)('%s keeps its text', (text) => {
    const document = `{"a":[${text},"${text}"],"b":{"c":${text}}}`
    expect(jsonText(parseText(document))).toBe(document)
  })

  it('does not mistake strings for numbers, nor members for its own', () => {
    const document = '{"#":"1.0","text":"x \\"1.0\\" # 2.00","n":1.0,"__proto__":{"x":1.50}}'
    expect(jsonText(parseText(document))).toBe(document)
    expect(() => parseText('{"a":01.0}')).toThrow(SyntaxError)
  })

  it('come back from the store as they were sent, in every way', async () => {
    const { write, send, mock } = tableRig()
    const body =
      '{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"valueQuantity":{"value":120.0}}'
    const raw = (method: string, path: string, text: string, type = 'application/fhir+json') =>
      send(path, { method, headers: { 'content-type': type }, body: text })
    expect(await (await raw('PUT', '/fhir/Observation/o', body)).text()).toContain('"value":120.0}')
    expect(await (await send('/fhir/Observation')).text()).toContain('"value":120.0}')
    const bundle = `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":${body.replace('120.0', '1.10')},"request":{"method":"PUT","url":"Observation/o"}}]}`
    expect((await raw('POST', '/fhir', bundle)).status).toBe(200)
    expect(await (await send('/fhir/Observation/o')).text()).toContain('"value":1.10}')
    const patch = '[{"op":"replace","path":"/valueQuantity/value","value":5.000}]'
    expect((await raw('PATCH', '/fhir/Observation/o', patch, 'application/json-patch+json')).status).toBe(200)
    expect(await (await send('/fhir/Observation/o')).text()).toContain('"value":5.000}')
    // What tests look at are ordinary numbers.
    expect(mock.state.get('Observation', 'o')).toMatchObject({ valueQuantity: { value: 5 } })
    const copy = tableRig()
    copy.mock.state.restore(mock.state.export())
    expect(await (await copy.send('/fhir/Observation/o')).text()).toContain('"value":5.000}')
    expect((await write('PUT', '/fhir/Observation/o', { resourceType: 'Observation', id: 'o' })).status).toBe(
      400,
    )
  })
})

describe('bodies', () => {
  it('are taken compressed, and measured after that', async () => {
    const { send } = tableRig({ limits: { bodyBytes: 2000 } })
    const pack = async (text: string): Promise<ArrayBuffer> =>
      new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer()
    const post = async (body: ArrayBuffer | string, encoding: string) =>
      send('/fhir/Basic', {
        method: 'POST',
        headers: { 'content-type': 'application/fhir+json', 'content-encoding': encoding },
        body,
      })
    expect((await post(await pack('{"resourceType":"Basic"}'), 'gzip')).status).toBe(201)
    expect(
      (await post(await pack(`{"resourceType":"Basic","language":"${'x'.repeat(3000)}"}`), 'gzip')).status,
    ).toBe(413)
    expect((await post('no gzip', 'gzip')).status).toBe(415)
    expect((await post('{"resourceType":"Basic"}', 'br')).status).toBe(415)
  })
})

describe('the check of elements', () => {
  const observation = { resourceType: 'Observation', status: 'final', code: { text: 'x' } }
  const issuesOf = (resource: object): string[] => {
    try {
      checkResource(parseText(JSON.stringify(resource)), undefined, 'elements')
      return []
    } catch (error) {
      return error instanceof FhirProblem
        ? error.issues.map(({ code, expression }) => `${code} ${expression}`)
        : ['?']
    }
  }

  it.each<[object, string[]]>([
    [observation, []],
    [
      {
        ...observation,
        valueQuantity: { value: 1.5, unit: 'kg' },
        effectiveDateTime: '2026-01-02T03:04:05.678+01:00',
      },
      [],
    ],
    [{ ...observation, effectiveDateTime: '2026-02', issued: '2026-01-02T03:04:05Z' }, []],
    [
      {
        resourceType: 'Patient',
        birthDate: '2000-02-29',
        _birthDate: { extension: [{ url: 'x', valueString: 'y' }] },
      },
      [],
    ],
    [{ resourceType: 'Patient', name: [{ given: ['A', null], _given: [null, { id: 'x' }] }] }, []],
    [{ resourceType: 'Patient', contained: [{ resourceType: 'Basic', odd: 1 }] }, []],
    [{ resourceType: 'Basic', odd: { of: [1] } }, []],
    [{ resourceType: 'Observation' }, ['required Observation.status', 'required Observation.code']],
    [{ ...observation, odd: 1 }, ['structure Observation.odd']],
    [{ ...observation, status: 7 }, ['structure Observation.status']],
    [{ ...observation, category: {} }, ['structure Observation.category', 'structure Observation.category']],
    [{ ...observation, code: [{ text: 'x' }] }, ['structure Observation.code']],
    [{ ...observation, valueString: 'a', valueInteger: 1 }, ['invariant Observation.value[x]']],
    [{ ...observation, valueDecimal: 1 }, ['structure Observation.valueDecimal']],
    [{ ...observation, valueInteger: 1.5 }, ['value Observation.valueInteger']],
    [{ ...observation, effectiveDateTime: '2026-02-30' }, ['value Observation.effectiveDateTime']],
    [{ ...observation, effectiveDateTime: '2026-01-02T03:04:05' }, ['value Observation.effectiveDateTime']],
    [{ ...observation, issued: '2026-01-02' }, ['value Observation.issued']],
    [
      { ...observation, component: [{ valueQuantity: {} }] },
      ['structure Observation.component[0].valueQuantity', 'required Observation.component[0].code'],
    ],
    [
      { resourceType: 'Patient', active: 'yes', birthDate: '2026-13-01' },
      ['structure Patient.active', 'value Patient.birthDate'],
    ],
    [{ resourceType: 'Patient', identifier: [{ system: 'a b' }] }, ['value Patient.identifier[0].system']],
    [{ resourceType: 'Patient', extension: [{ valueString: 'x' }] }, ['required Patient.extension[0].url']],
    [
      { resourceType: 'Patient', contained: [{ resourceType: 'Patient', odd: 1 }] },
      ['structure Patient.contained[0].odd'],
    ],
    [
      { resourceType: 'Flag', extension: [{ url: 'x', valueString: 'a', valueCode: 'b' }] },
      ['invariant Flag.extension[0].value[x]'],
    ],
    [{ resourceType: 'Patient', name: [] }, ['structure Patient.name']],
    [{ resourceType: 'Patient', language: 'a\u0000b' }, ['value Patient.language']],
  ])('of %j', (resource, issues) => {
    expect(issuesOf(resource)).toEqual(issues)
  })

  it('tells all that is wrong at once, with the place in the bundle', async () => {
    const { write } = tableRig()
    const entry = [
      { resource: { resourceType: 'Observation' }, request: { method: 'POST', url: 'Observation' } },
    ]
    const answer = await json(write('POST', '/fhir', { resourceType: 'Bundle', type: 'transaction', entry }))
    expect(
      (answer['issue'] as unknown as { expression: string[] }[]).flatMap(({ expression }) => expression),
    ).toEqual(['Bundle.entry[0].resource.status', 'Bundle.entry[0].resource.code'])
  })
})

describe('JSON Patch', () => {
  const document = { a: 1, list: [1, 2], deep: { 'x/y~z': true } }
  it.each<[object[], object]>([
    [[{ op: 'add', path: '/b', value: 2 }], { ...document, b: 2 }],
    [[{ op: 'add', path: '/list/1', value: 9 }], { ...document, list: [1, 9, 2] }],
    [[{ op: 'add', path: '/list/-', value: 9 }], { ...document, list: [1, 2, 9] }],
    [[{ op: 'remove', path: '/list/0' }], { ...document, list: [2] }],
    [[{ op: 'replace', path: '/deep/x~1y~0z', value: null }], { ...document, deep: { 'x/y~z': null } }],
    [[{ op: 'move', from: '/a', path: '/deep/a' }], { list: [1, 2], deep: { 'x/y~z': true, a: 1 } }],
    [
      [{ op: 'copy', from: '/list', path: '/deep/list' }],
      { ...document, deep: { 'x/y~z': true, list: [1, 2] } },
    ],
    [
      [
        { op: 'test', path: '/deep', value: { 'x/y~z': true } },
        { op: 'remove', path: '/deep' },
      ],
      { a: 1, list: [1, 2] },
    ],
  ])('applies %j', (patch, expected) => {
    const before = structuredClone(document)
    expect(applyJsonPatch(document, patch)).toEqual(expected)
    expect(document).toEqual(before)
  })

  it.each<[unknown, number]>([
    [{}, 400],
    [['x'], 400],
    [[{ op: 'odd', path: '/a' }], 400],
    [[{ op: 'add', path: 'a', value: 1 }], 400],
    [[{ op: 'add', path: '/a' }], 400],
    [[{ op: 'move', from: '/deep', path: '/deep/x' }], 400],
    [[{ op: 'test', path: '/a', value: 2 }], 422],
    [[{ op: 'remove', path: '/none' }], 422],
    [[{ op: 'replace', path: '/none', value: 1 }], 422],
    [[{ op: 'add', path: '/list/5', value: 1 }], 422],
    [[{ op: 'add', path: '/list/01', value: 1 }], 422],
    [[{ op: 'add', path: '/a/b', value: 1 }], 422],
  ])('refuses %j', (patch, status) => {
    expect(() => applyJsonPatch(document, patch)).toThrow(
      expect.objectContaining({ name: 'FhirProblem', status }),
    )
  })

  it('changes a resource under its conditions, and only to something valid', async () => {
    const { write, mock } = tableRig()
    mock.state.load([{ resourceType: 'Patient', id: 'p', active: true }])
    const type = { 'content-type': 'application/json-patch+json' }
    const send = async (patch: object[], headers: Record<string, string> = {}, path = 'Patient/p') =>
      (await write('PATCH', `/fhir/${path}`, patch, { ...type, ...headers })).status
    const off = [{ op: 'replace', path: '/active', value: false }]
    expect(await send(off, { 'if-match': 'W/"9"' })).toBe(412)
    expect(await send(off, { 'if-match': 'W/"1"' })).toBe(200)
    expect(await send([{ op: 'replace', path: '/active', value: 'no' }])).toBe(400)
    expect(await send([{ op: 'replace', path: '/id', value: 'q' }])).toBe(422)
    expect(await send([{ op: 'replace', path: '/resourceType', value: 'Basic' }])).toBe(400)
    expect(await send(off, {}, 'Patient/none')).toBe(404)
    expect(mock.state.get('Patient', 'p')).toMatchObject({ active: false, meta: { versionId: '2' } })
    const data = btoa(JSON.stringify([{ op: 'add', path: '/language', value: 'en' }]))
    const binary = { resourceType: 'Binary', contentType: 'application/json-patch+json', data }
    const entry = [{ resource: binary, request: { method: 'PATCH', url: 'Patient/p' } }]
    expect(
      (await write('POST', '/fhir', { resourceType: 'Bundle', type: 'transaction', entry })).status,
    ).toBe(200)
    expect(mock.state.get('Patient', 'p')).toMatchObject({ language: 'en' })
  })
})

describe('parts of searches', () => {
  const begin = () => {
    const rig = tableRig()
    rig.mock.state.load([
      { resourceType: 'Patient', id: 'p', active: true },
      { resourceType: 'Device', id: 'd' },
      {
        resourceType: 'Observation',
        id: 'a',
        status: 'final',
        code: { text: 'x' },
        subject: { reference: 'Patient/p' },
        device: { reference: 'Device/d' },
        effectiveDateTime: '2026-03-04T05:06:07Z',
      },
      {
        resourceType: 'Observation',
        id: 'b',
        status: 'final',
        code: { text: 'x' },
        subject: { reference: 'Patient/p' },
        effectivePeriod: { start: '2026-03-05', end: '2026-03-06' },
      },
      { resourceType: 'QuestionnaireResponse', id: 'q', status: 'completed', authored: '2026-03-04' },
    ])
    return rig
  }

  it.each([
    ['_include=Observation:patient', 'a b p'],
    ['_include=Observation:device', 'a b d'],
    ['_include=Observation:subject&_include=Observation:device', 'a b p d'],
    ['_include=Observation:subject:Group', 'a b'],
    ['_id=b&_include=Observation:patient', 'b p'],
    ['date=2026-03-04', 'a'],
    ['date=ge2026-03-05', 'b'],
    ['date=lt2026-03-05', 'a'],
    ['date=2026-03', 'a b'],
    ['date=gt2026-03-05T12:00:00Z', 'b'],
    ['date=sa2026-03-04', 'b'],
    ['date=eb2026-03-05', 'a'],
    ['date=ne2026-03-04', 'b'],
  ])('finds Observation?%s', async (query, expected) => {
    expect(ids(await begin().get(`/fhir/Observation?${query}`))).toEqual(expected.split(' '))
  })

  it('marks what is included, and cuts to _elements', async () => {
    const { get } = begin()
    const found = await get('/fhir/Observation?_id=a&_include=Observation:patient&_elements=effective')
    expect(found).toMatchObject({
      total: 1,
      entry: [{ search: { mode: 'match' } }, { search: { mode: 'include' } }],
    })
    const [match, included] = [found['entry']?.[0]?.['resource'], found['entry']?.[1]?.['resource']]
    expect(Object.keys(match ?? {}).toSorted()).toEqual([
      'code',
      'effectiveDateTime',
      'id',
      'meta',
      'resourceType',
      'status',
    ])
    expect(match?.['meta']?.['tag']?.[0]?.['code']).toBe('SUBSETTED')
    expect(included).toMatchObject({ id: 'p', active: true })
  })

  it('does not take a part of a resource back', async () => {
    const { get, write } = begin()
    const part = (await get('/fhir/Patient?_elements=active'))['entry']?.[0]?.['resource']
    expect((await write('PUT', '/fhir/Patient/p', part)).status).toBe(400)
  })
})

describe('reads under conditions', () => {
  it('answer 304 to who has the version already', async () => {
    const { send, mock, write } = tableRig()
    mock.state.load([{ resourceType: 'Basic', id: 'b' }])
    const status = async (headers: Record<string, string>) =>
      (await send('/fhir/Basic/b', { headers })).status
    const modified = (await send('/fhir/Basic/b')).headers.get('last-modified') ?? ''
    expect(await status({ 'if-none-match': 'W/"1"' })).toBe(304)
    expect(await status({ 'if-none-match': 'W/"7", "1"' })).toBe(304)
    expect(await status({ 'if-none-match': 'W/"2"' })).toBe(200)
    expect(await status({ 'if-modified-since': modified })).toBe(304)
    expect(await status({ 'if-modified-since': modified, 'if-none-match': 'W/"2"' })).toBe(200)
    await write('PUT', '/fhir/Basic/b', { resourceType: 'Basic', id: 'b', language: 'en' })
    expect(await status({ 'if-none-match': 'W/"1"' })).toBe(200)
  })
})
