import { describe, expect, it } from 'vitest'
import { createFhirClient, type FhirClient, type SearchPage, type SearchParams } from '../src/index.js'
import { failureOf } from './support/failure.js'
import { fhir, outcome, scriptedSender, type ScriptedSender } from './support/scripted-sender.js'

const baseUrl = 'https://gw.example.test/proxy/fhir'
const tokens = { getToken: async () => ({ value: 'one', type: 'Bearer' as const }) }

interface PageSpec {
  readonly self?: string
  readonly next?: string
  readonly ids?: readonly string[]
}

function bundle({ self, next, ids = [] }: PageSpec): unknown {
  const link = [
    ...(self === undefined ? [] : [{ relation: 'self', url: self }]),
    ...(next === undefined ? [] : [{ relation: 'next', url: next }]),
  ]
  const entry = ids.map((id) => ({
    resource: { resourceType: 'Observation', id },
    search: { mode: 'match' },
  }))
  return { resourceType: 'Bundle', type: 'searchset', total: 999, link, entry }
}

function setUp(...replies: readonly Response[]): { client: FhirClient; sender: ScriptedSender } {
  const sender = scriptedSender(...replies)
  return { client: createFhirClient({ baseUrl, send: sender, tokens }), sender }
}

async function collect(pages: AsyncIterable<SearchPage>): Promise<SearchPage[]> {
  const found: SearchPage[] = []
  for await (const page of pages) found.push(page)
  return found
}

describe('search', () => {
  it.each<[string, SearchParams, string]>([
    [
      'a record',
      { code: 'http://loinc.org|8867-4', _count: 0, active: false, none: undefined },
      'code=http%3A%2F%2Floinc.org%7C8867-4&_count=0&active=false',
    ],
    ['lists', { date: ['ge2026', 'lt2027'] }, 'date=ge2026&date=lt2027'],
    [
      'pairs',
      [
        ['a', '1'],
        ['a', 2],
        ['b', ''],
      ],
      'a=1&a=2&b=',
    ],
    ['URLSearchParams', new URLSearchParams('a=ü'), 'a=%C3%BC'],
  ])('takes parameters as %s', async (_name, params, query) => {
    const { client, sender } = setUp(fhir(200, bundle({})), fhir(200, bundle({})))
    await client.search('Observation', params)
    await client.search('Observation', params, { via: 'post' })
    expect(sender.sent[0]).toMatchObject({ method: 'GET', url: `${baseUrl}/Observation?${query}` })
    expect(sender.sent[1]).toMatchObject({
      method: 'POST',
      url: `${baseUrl}/Observation/_search`,
      body: query,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/fhir+json' },
    })
  })

  it('sorts entries by what they are there for', async () => {
    const entry = [
      { resource: { resourceType: 'Observation', id: 'a' }, search: { mode: 'match' } },
      { resource: { resourceType: 'Observation', id: 'b' } },
      { resource: { resourceType: 'Patient', id: 'c' }, search: { mode: 'include' } },
      { resource: outcome('informational'), search: { mode: 'outcome' } },
      { fullUrl: 'urn:x' },
      null,
    ]
    const { client } = setUp(fhir(200, { resourceType: 'Bundle', type: 'searchset', entry }))
    const page = await client.search('Observation')
    expect(page.matches.map((resource) => resource.id)).toEqual(['a', 'b'])
    expect(page.included.map((resource) => resource.id)).toEqual(['c'])
    expect(page).toMatchObject({ ordinal: 0, hasNext: false, response: { status: 200 } })
  })

  it('does not care about links it need not follow', async () => {
    const { client } = setUp(fhir(200, bundle({ next: 'mailto:a@b.example' })))
    expect((await client.search('Observation')).hasNext).toBe(true)
  })

  it.each([fhir(200), fhir(200, outcome('informational')), fhir(200, { resourceType: 'Patient' })])(
    'is not answered by anything but a Bundle (%#)',
    async (reply) => {
      const { client } = setUp(reply)
      expect(await failureOf(client.search('Observation'))).toMatchObject({
        code: 'ERR_NOT_FHIR',
        status: 200,
      })
    },
  )
})

describe('pages', () => {
  it('follow next links to their end, whatever total says', async () => {
    const { client, sender } = setUp(
      fhir(200, bundle({ ids: ['a', 'b'], next: `${baseUrl}/Observation/__page/x1` })),
      fhir(200, bundle({ next: `${baseUrl}/Observation/__page/x2` })),
      fhir(200, bundle({ ids: ['c'] })),
    )
    const pages = await collect(client.pages('Observation', { _count: 2 }))
    expect(pages.map((page) => [page.ordinal, page.matches.map((match) => match.id)])).toEqual([
      [0, ['a', 'b']],
      [1, []],
      [2, ['c']],
    ])
    expect(sender.sent.map((sent) => [sent.method, sent.url])).toEqual([
      ['GET', `${baseUrl}/Observation?_count=2`],
      ['GET', `${baseUrl}/Observation/__page/x1`],
      ['GET', `${baseUrl}/Observation/__page/x2`],
    ])
  })

  it('are asked for one at a time when nothing is to be asked ahead', async () => {
    const { client, sender } = setUp(fhir(200, bundle({ next: `${baseUrl}/Observation?p=2` })))
    for await (const page of client.pages('Observation', {}, { lookAhead: 0 })) {
      expect(page.hasNext).toBe(true)
      break
    }
    expect(sender.sent).toHaveLength(1)
  })

  it('of a search by POST are read by GET', async () => {
    const { client, sender } = setUp(
      fhir(200, bundle({ ids: ['a'], next: `${baseUrl}/Observation/__page/x` })),
      fhir(200, bundle({ ids: ['b'] })),
    )
    expect(await collect(client.pages('Observation', { code: 'x' }, { via: 'post' }))).toHaveLength(2)
    expect(sender.sent.map((sent) => sent.method)).toEqual(['POST', 'GET'])
    expect(sender.sent[1]).not.toHaveProperty('body')
    expect(sender.sent[1]?.headers).not.toHaveProperty('content-type')
  })

  it.each([
    ['as it is', {}, `${baseUrl}/Observation?page=2`, '/Observation?page=2'],
    ['another host', {}, 'http://internal:8080/fhir/Observation?page=2', '/Observation?page=2'],
    [
      'another host, opaque page',
      {},
      'http://internal:8080/fhir/Observation/__page/Abc_-1',
      '/Observation/__page/Abc_-1',
    ],
    [
      'our host without the prefix of the proxy',
      {},
      'https://gw.example.test/fhir/Observation?page=2',
      '/Observation?page=2',
    ],
    ['a relative query', {}, '?page=2', '/Observation?page=2'],
    ['a path relative to the host', {}, '/fhir/Observation?page=2', '/Observation?page=2'],
    [
      'HAPI on another host',
      { self: 'http://internal:8080/hapi/fhir/Observation?code=x' },
      'http://internal:8080/hapi/fhir?_getpages=a&_getpagesoffset=20',
      '?_getpages=a&_getpagesoffset=20',
    ],
    [
      'a page elsewhere below a foreign base',
      { self: 'http://internal:8080/hapi/Observation' },
      'http://internal:8080/hapi/pages/7',
      '/pages/7',
    ],
    [
      'a foreign base that is the root',
      { self: 'http://internal:8080/Observation' },
      'http://internal:8080/pages/7',
      '/pages/7',
    ],
    ['the base path on another host', {}, 'http://internal:8080/proxy/fhir?_getpages=a', '?_getpages=a'],
    [
      'credentials in the link',
      {},
      'https://user:pw@internal/fhir/Observation?page=2',
      '/Observation?page=2',
    ],
  ])('rebase %s', async (_name, more, next, expected) => {
    const { client, sender } = setUp(fhir(200, bundle({ ...more, next })), fhir(200, bundle({})))
    await collect(client.pages('Observation', { code: 'x' }))
    expect(sender.sent[1]?.url).toBe(baseUrl + expected)
    expect(sender.sent[1]?.headers['authorization']).toBe('Bearer one')
  })

  it('remember from the first page where the server thinks its base is', async () => {
    const hapi = 'http://internal:8080/hapi/r4'
    const { client, sender } = setUp(
      fhir(
        200,
        bundle({ self: `${hapi}/Observation?code=x`, next: `${hapi}?_getpages=a&_getpagesoffset=20` }),
      ),
      fhir(
        200,
        bundle({
          self: `${hapi}?_getpages=a&_getpagesoffset=20`,
          next: `${hapi}?_getpages=a&_getpagesoffset=40`,
        }),
      ),
      fhir(200, bundle({})),
    )
    await collect(client.pages('Observation', { code: 'x' }))
    expect(sender.sent.slice(1).map((sent) => sent.url)).toEqual([
      `${baseUrl}?_getpages=a&_getpagesoffset=20`,
      `${baseUrl}?_getpages=a&_getpagesoffset=40`,
    ])
  })

  it('outside the base but on our origin are followed', async () => {
    const { client, sender } = setUp(
      fhir(200, bundle({ next: 'https://gw.example.test/pages/7' })),
      fhir(200, bundle({})),
    )
    await collect(client.pages('Observation'))
    expect(sender.sent[1]?.url).toBe('https://gw.example.test/pages/7')
  })

  it.each([
    'https://evil.example/collect?x=1',
    'https://evil.example/',
    'javascript:alert(1)',
    'https://',
    'http://[bad',
  ])('refuse %s', async (next) => {
    const { client, sender } = setUp(fhir(200, bundle({ ids: ['a'], next })), fhir(200, bundle({})))
    expect(await failureOf(collect(client.pages('Observation')))).toMatchObject({
      code: 'ERR_BAD_LINK',
      sent: 'no',
    })
    expect(sender.sent).toHaveLength(1)
  })

  it('never leave the configured origin', async () => {
    const { client, sender } = setUp(
      fhir(200, bundle({ next: 'https://evil.example/x/Observation?steal=1' })),
      fhir(200, bundle({})),
    )
    await collect(client.pages('Observation'))
    expect(sender.sent.every((sent) => sent.url.startsWith(`${baseUrl}/`))).toBe(true)
  })

  it('can be told not to rebase', async () => {
    const sender = scriptedSender(fhir(200, bundle({ next: 'http://internal:8080/fhir/Observation?page=2' })))
    const client = createFhirClient({ baseUrl, send: sender, rebaseLinks: false })
    expect(await failureOf(collect(client.pages('Observation')))).toMatchObject({ code: 'ERR_BAD_LINK' })
  })

  it('that lead to themselves end', async () => {
    const next = `${baseUrl}/Observation?page=2`
    const { client } = setUp(
      fhir(200, bundle({ next })),
      fhir(200, bundle({ next })),
      fhir(200, bundle({ next })),
    )
    expect(await failureOf(collect(client.pages('Observation')))).toMatchObject({ code: 'ERR_BAD_LINK' })
  })

  it.each([404, 410])('that are gone (%i) say so', async (status) => {
    const { client } = setUp(
      fhir(200, bundle({ ids: ['a'], next: `${baseUrl}/Observation/__page/x` })),
      fhir(status, outcome('not-found', 'Page not found')),
    )
    const error = await failureOf(collect(client.pages('Observation')))
    expect(error).toMatchObject({
      code: 'ERR_PAGE_EXPIRED',
      status,
      path: '/proxy/fhir/Observation/__page/x',
    })
    expect(error.issues).toHaveLength(1)
  })

  it('other failures stay what they are', async () => {
    const { client } = setUp(fhir(200, bundle({ next: `${baseUrl}/Observation?p=2` })), fhir(503))
    expect(await failureOf(collect(client.pages('Observation')))).toMatchObject({
      code: 'ERR_HTTP',
      status: 503,
    })
    const first = setUp(fhir(404))
    expect(await failureOf(collect(first.client.pages('Observation')))).toMatchObject({
      code: 'ERR_HTTP',
      status: 404,
    })
  })
})
