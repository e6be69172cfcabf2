import { describe, expect, it } from 'vitest'
import { r4Types } from '../src/fhir/r4-types.js'
import { json, modes, openRig } from './rig.js'

interface Statement {
  readonly rest: readonly {
    readonly security?: object
    readonly interaction: readonly { readonly code: string }[]
    readonly resource: readonly {
      readonly type: string
      readonly interaction: readonly { readonly code: string }[]
      readonly searchParam: readonly { readonly name: string; readonly type: string }[]
    }[]
  }[]
}

describe.each(modes)('the CapabilityStatement over %s', (mode) => {
  it('is kept: every interaction and parameter it states works', async () => {
    const rig = await openRig(mode, { open: true })
    const statement = (await json(rig.send('/fhir/metadata'))) as unknown as Statement
    const [rest] = statement.rest
    expect(rest?.resource.map((resource) => resource.type)).toEqual(r4Types)
    expect(r4Types).toHaveLength(146)
    const [resource] = rest?.resource ?? []
    const type = resource?.type ?? ''
    const body = { resourceType: type, id: 'x' }
    const tries: Record<string, () => Promise<Response>> = {
      create: () => rig.write('POST', `/fhir/${type}`, body),
      update: () => rig.write('PUT', `/fhir/${type}/x`, body),
      read: () => rig.send(`/fhir/${type}/x`),
      vread: () => rig.send(`/fhir/${type}/x/_history/1`),
      'history-instance': () => rig.send(`/fhir/${type}/x/_history`),
      'search-type': () => rig.send(`/fhir/${type}`),
      delete: () => rig.send(`/fhir/${type}/x`, { method: 'DELETE' }),
    }
    const stated = resource?.interaction.map((interaction) => interaction.code) ?? []
    expect(stated.toSorted()).toEqual(Object.keys(tries).toSorted())
    for (const attempt of Object.values(tries)) expect((await attempt()).ok).toBe(true)
    const samples: Record<string, string> = { token: 's|v', date: 'gt2020', reference: 'Patient/1' }
    const strict = { headers: { prefer: 'handling=strict' } }
    for (const { name, type: kind } of resource?.searchParam ?? []) {
      expect([name, (await rig.send(`/fhir/${type}?${name}=${samples[kind]}`, strict)).status]).toEqual([
        name,
        200,
      ])
    }
    expect(resource?.searchParam).toHaveLength(9)
    for (const { code } of rest?.interaction ?? []) {
      const answer = await json(rig.write('POST', '/fhir', { resourceType: 'Bundle', type: code }))
      expect(answer['type']).toBe(`${code}-response`)
    }
  })

  it('names the token endpoint unless the server is open', async () => {
    const closed = await openRig(mode)
    const statement = (await json(closed.send('/fhir/metadata'))) as unknown as Statement
    expect(statement.rest[0]?.security).toMatchObject({
      extension: [
        { extension: [{ url: 'token', valueUri: `${closed.root}/auth/token` }, { url: 'register' }] },
      ],
    })
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
