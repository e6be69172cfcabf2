import { describe, expect, it } from 'vitest'
import { fhirProfiles, type FhirProfileName } from '../src/fhir/profile.js'
import { r4Types } from '../src/fhir/r4-types.js'
import { json, modes, openRig } from './rig.js'
import { tableRig } from './table-rig.js'

interface StatedResource {
  readonly type: string
  readonly versioning: string
  readonly readHistory: boolean
  readonly updateCreate: boolean
  readonly conditionalCreate: boolean
  readonly conditionalRead: string
  readonly conditionalUpdate: boolean
  readonly conditionalDelete: string
  readonly interaction: readonly { readonly code: string }[]
  readonly searchInclude: readonly string[]
  readonly searchParam: readonly { readonly name: string; readonly type: string }[]
  readonly operation?: readonly { readonly name: string }[]
}

interface Statement {
  readonly patchFormat?: readonly string[]
  readonly rest: readonly {
    readonly security?: object
    readonly interaction: readonly { readonly code: string }[]
    readonly resource: readonly StatedResource[]
  }[]
}

const type = 'Account'
const id = 'aaaaaaaa-1111-4111-8111-111111111111'

/** A server with one Account, its statement, and short ways to ask whether something works. */
async function begin(profile: FhirProfileName) {
  const rig = tableRig({ profiles: { fhir: { like: profile, searchLagMs: 0 } } })
  const account = { resourceType: type, id, identifier: [{ value: 'k' }] }
  rig.mock.state.load([account, { resourceType: 'Patient', id }])
  const statement = (await rig.get('/fhir/metadata')) as unknown as Statement
  const [rest] = statement.rest
  const [resource] = rest?.resource ?? []
  if (rest === undefined || resource === undefined) throw new Error('The statement is empty.')
  const status = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    const response =
      body === undefined
        ? rig.send(path, { method, headers: headers ?? {} })
        : rig.write(method, path, body, headers)
    return (await response).status
  }
  return { rig, account, statement, rest, resource, status }
}

const patch = [{ op: 'add', path: '/language', value: 'en' }]
const patchHeaders = { 'content-type': 'application/json-patch+json' }

describe.each(Object.keys(fhirProfiles) as FhirProfileName[])('the CapabilityStatement of %s', (profile) => {
  it('names the types of R4, all with the same abilities', async () => {
    const { rest } = await begin(profile)
    expect(rest.resource.map((resource) => resource.type)).toEqual(r4Types)
    expect(r4Types).toHaveLength(146)
    const abilities = (stated: StatedResource) => {
      const { type: _type, searchInclude: _include, operation: _operation, ...common } = stated
      return common
    }
    for (const resource of rest.resource)
      expect(abilities(resource)).toEqual(abilities(rest.resource[0] as StatedResource))
  })

  it('states every interaction that works, and none that does not', async () => {
    const { rig, account, resource, rest, status } = await begin(profile)
    const vid = String(
      rig.mock.state.get(type, id)?.['meta'] && (await rig.get(`/fhir/${type}/${id}`))['meta']?.['versionId'],
    )
    const tries: Record<string, () => Promise<number>> = {
      create: () => status('POST', `/fhir/${type}`, account),
      read: () => status('GET', `/fhir/${type}/${id}`),
      vread: () => status('GET', `/fhir/${type}/${id}/_history/${vid === 'undefined' ? '' : vid}`),
      update: () => status('PUT', `/fhir/${type}/${id}`, { ...account, language: 'de' }),
      patch: () => status('PATCH', `/fhir/${type}/${id}`, patch, patchHeaders),
      'history-instance': () => status('GET', `/fhir/${type}/${id}/_history`),
      'history-type': () => status('GET', `/fhir/${type}/_history`),
      'search-type': () => status('GET', `/fhir/${type}`),
      delete: () => status('DELETE', `/fhir/${type}/${id}`),
    }
    const works: string[] = []
    for (const [name, attempt] of Object.entries(tries)) if ((await attempt()) < 300) works.push(name)
    expect(works.toSorted()).toEqual(resource.interaction.map(({ code }) => code).toSorted())

    const bundle = (kind: string) => status('POST', '/fhir', { resourceType: 'Bundle', type: kind })
    const system: Record<string, () => Promise<number>> = {
      batch: () => bundle('batch'),
      transaction: () => bundle('transaction'),
      'search-system': () => status('GET', '/fhir?_count=1'),
      'history-system': () => status('GET', '/fhir/_history'),
    }
    const systemWorks: string[] = []
    for (const [name, attempt] of Object.entries(system)) if ((await attempt()) < 300) systemWorks.push(name)
    expect(systemWorks.toSorted()).toEqual(rest.interaction.map(({ code }) => code).toSorted())
  })

  it('states exactly the conditions that are looked at', async () => {
    const { rig, account, resource, statement, status } = await begin(profile)
    const before = rig.mock.state.resources(type).length
    await status('POST', `/fhir/${type}`, account, { 'if-none-exist': 'identifier=k' })
    expect(rig.mock.state.resources(type).length === before).toBe(resource.conditionalCreate)

    const read = await rig.send(`/fhir/${type}/${id}`)
    const tag = read.headers.get('etag') ?? 'W/""'
    const known = await status('GET', `/fhir/${type}/${id}`, undefined, { 'if-none-match': tag })
    expect(known === 304).toBe(resource.conditionalRead === 'full-support')

    const other = 'bbbbbbbb-1111-4111-8111-111111111111'
    const made = await status('PUT', `/fhir/${type}/${other}`, {
      resourceType: type,
      id: other,
      identifier: [{ value: 'two' }],
    })
    expect(made === 201).toBe(resource.updateCreate)

    const updated = await status('PUT', `/fhir/${type}?identifier=fresh`, {
      resourceType: type,
      identifier: [{ value: 'fresh' }],
    })
    expect(updated < 300).toBe(resource.conditionalUpdate)

    rig.mock.state.load([1, 2].map(() => ({ resourceType: type, identifier: [{ value: 'many' }] })))
    const many = await status('DELETE', `/fhir/${type}?identifier=many`)
    rig.mock.state.load([{ resourceType: type, identifier: [{ value: 'one' }] }])
    const one = await status('DELETE', `/fhir/${type}?identifier=one`)
    const stated = { multiple: [true, true], single: [false, true], 'not-supported': [false, false] }[
      resource.conditionalDelete
    ]
    expect([many < 300, one < 300]).toEqual(stated)

    expect(statement.patchFormat !== undefined).toBe(
      (await status('PATCH', `/fhir/${type}/${id}`, patch, patchHeaders)) < 300,
    )
    expect(resource.versioning === 'no-version').toBe(!read.headers.has('etag'))
  })

  it('states search parameters and includes that work, and the operation that does', async () => {
    const { rest, resource, status } = await begin(profile)
    const samples: Record<string, string> = { token: 's|v', date: 'gt2020', reference: 'Patient/1' }
    const strict = { prefer: 'handling=strict' }
    for (const { name, type: kind } of resource.searchParam) {
      expect([
        name,
        await status('GET', `/fhir/${type}?${name}=${samples[kind]}`, undefined, strict),
      ]).toEqual([name, 200])
    }
    expect(resource.searchParam).toHaveLength(10)
    for (const include of resource.searchInclude) {
      expect(await status('GET', `/fhir/${type}?_include=${include}`, undefined, strict)).toBe(200)
    }
    expect(resource.searchInclude).toHaveLength(3)
    const operations = rest.resource.filter(({ operation }) => operation !== undefined).map((one) => one.type)
    const works = (await status('GET', `/fhir/Patient/${id}/$everything`)) === 200
    expect(operations).toEqual(works ? ['Patient'] : [])
  })
})

describe.each(modes)('the root over %s', (mode) => {
  it('names the endpoints of authorization unless the server is open', async () => {
    const closed = await openRig(mode)
    const statement = (await json(closed.send('/fhir/metadata'))) as unknown as Statement
    expect(statement.rest[0]?.security).toMatchObject({
      extension: [
        {
          extension: expect.arrayContaining([
            { url: 'token', valueUri: `${closed.root}/auth/token` },
            { url: 'authorize', valueUri: `${closed.root}/auth/authorize` },
          ]) as object,
        },
      ],
    })
    const open = await openRig(mode, { open: true })
    const opened = (await json(open.send('/fhir/metadata'))) as unknown as Statement
    expect(opened.rest[0]).not.toHaveProperty('security')
  })

  it('lets the statement be cached', async () => {
    const rig = await openRig(mode)
    const first = await rig.send('/fhir/metadata')
    const headers = { 'if-none-match': first.headers.get('etag') ?? '' }
    const second = await rig.send('/fhir/metadata', { headers })
    expect([second.status, await second.text()]).toEqual([304, ''])
  })

  it('has an index page that lists endpoints and runs nothing', async () => {
    const rig = await openRig(mode)
    const page = await rig.send('/')
    expect(page.headers.get('content-type')).toBe('text/html;charset=utf-8')
    const html = await page.text()
    expect(html).toContain(`${rig.root}/fhir/metadata`)
    expect(html).not.toContain('<script')
    expect((await rig.send('/', { method: 'POST' })).status).toBe(405)
  })
})
