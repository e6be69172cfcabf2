import { describe, expect, it } from 'vitest'
import {
  createFhirClient,
  type FhirClient,
  type HistoryPage,
  type Sender,
  type SendRequest,
} from '../src/index.js'
import { failureOf, rejectionOf } from './support/failure.js'
import { fhir, scriptedSender } from './support/scripted-sender.js'

const baseUrl = 'https://fhir.example.test/r4'

/** A server with `count` pages whose URLs differ on every visit. */
function pagedSender(count: number, perPage: number): Sender & { readonly asked: SendRequest[] } {
  const asked: SendRequest[] = []
  return {
    asked,
    send: async (request) => {
      asked.push(request)
      const { signal } = request
      const at = Number(/__page\/(\d+)/.exec(request.url)?.[1] ?? 0)
      const to = (page: number) => `http://blaze:8080/r4/Observation/__page/${page}?nonce=${asked.length}`
      const link = [
        { relation: 'first', url: to(0) },
        ...(at > 0 ? [{ relation: 'previous', url: to(at - 1) }] : []),
        ...(at + 1 < count ? [{ relation: 'next', url: to(at + 1) }] : []),
      ]
      const entry = Array.from({ length: perPage }, (_, index) => ({
        resource: { resourceType: 'Observation', id: `o${at * perPage + index}` },
      }))
      signal?.throwIfAborted()
      return fhir(200, { resourceType: 'Bundle', type: 'searchset', total: 3, link, entry })
    },
  }
}

function clientOf(send: Sender): FhirClient {
  return createFhirClient({ baseUrl, send })
}

describe('looking ahead', () => {
  it.each([
    [0, 1],
    [1, 2],
    [3, 4],
  ])('%i pages means %i requests when the first is in hand', async (lookAhead, requests) => {
    const sender = pagedSender(10, 2)
    const pages = clientOf(sender).pages('Observation', {}, { lookAhead })
    await pages.next()
    // Requests ahead follow one another, each one from the link of the page before.
    await expect.poll(() => sender.asked.length).toBe(requests)
    await pages.return?.()
    expect(sender.asked).toHaveLength(requests)
  })

  it('reads every page once and in order', async () => {
    for (const lookAhead of [0, 1, 2, 20]) {
      const sender = pagedSender(7, 3)
      const ids: (string | undefined)[] = []
      for await (const page of clientOf(sender).pages('Observation', {}, { lookAhead })) {
        ids.push(...page.matches.map(({ id }) => id))
      }
      expect(ids).toEqual(Array.from({ length: 21 }, (_, index) => `o${index}`))
      expect(sender.asked).toHaveLength(7)
    }
  })

  it('keeps a failure until its page is reached', async () => {
    const sender = scriptedSender(fhir(200, page(['a'], 'x1')), fhir(200, page(['b'], 'x2')), fhir(404))
    const pages = clientOf(sender).pages('Observation', {}, { lookAhead: 2 })
    expect((await pages.next()).value).toMatchObject({ ordinal: 0 })
    await expect.poll(() => sender.sent.length).toBe(3)
    expect((await pages.next()).value).toMatchObject({ ordinal: 1 })
    expect(await failureOf(pages.next())).toMatchObject({ code: 'ERR_PAGE_EXPIRED', status: 404 })
    expect((await pages.next()).done).toBe(true)
  })

  it('ends what is under way when the caller leaves or aborts', async () => {
    for (const how of ['leave', 'abort'] as const) {
      let ahead: AbortSignal | undefined
      const first = fhir(200, page(['a'], 'x1'))
      const send = ({ signal, url }: SendRequest) => {
        if (!url.includes('__page')) return Promise.resolve(first)
        ahead = signal
        return new Promise<Response>(() => {})
      }
      const controller = new AbortController()
      const pages = clientOf({ send }).pages('Observation', {}, { signal: controller.signal })
      await pages.next()
      await expect.poll(() => ahead !== undefined).toBe(true)
      if (how === 'leave') await pages.return?.()
      else {
        controller.abort(new Error('enough'))
        expect(await rejectionOf(pages.next())).toMatchObject({ name: 'AbortError' })
      }
      expect(ahead?.aborted).toBe(true)
    }
  })

  it('holds few pages of ten thousand resources', async () => {
    const lookAhead = 2
    // Bytes of pages handed out and not yet given back are what memory is spent on: count pages between the
    // moment the server answers and the moment their reader asks for the one after the next.
    const sender = pagedSender(100, 100)
    let consumed = 0
    let most = 0
    let resources = 0
    for await (const { matches } of clientOf(sender).pages('Observation', {}, { lookAhead })) {
      most = Math.max(most, sender.asked.length - consumed)
      consumed += 1
      resources += matches.length
      await Promise.resolve()
    }
    expect(resources).toBe(10_000)
    expect(most).toBeLessThanOrEqual(1 + lookAhead)
  })
})

describe('neighbours of a page', () => {
  it('are reached by their links, on the configured server', async () => {
    const sender = pagedSender(3, 1)
    const first = await clientOf(sender).search('Observation')
    expect(first).toMatchObject({ ordinal: 0, hasNext: true, hasPrevious: false })
    expect(await first.follow('previous')).toBeUndefined()
    const second = await first.follow('next')
    const third = await second?.follow('next')
    expect(third).toMatchObject({ ordinal: 2, hasNext: false, hasPrevious: true })
    expect(third?.matches[0]?.id).toBe('o2')
    const back = await third?.follow('previous')
    expect(back).toMatchObject({ ordinal: 1 })
    expect(back?.matches[0]?.id).toBe('o1')
    expect((await back?.follow('first'))?.matches[0]?.id).toBe('o0')
    expect(sender.asked.every(({ url }) => url.startsWith(`${baseUrl}/Observation`))).toBe(true)
  })

  it("are asked for with the headers of the caller, and none of the first request's own", async () => {
    const sender = pagedSender(2, 1)
    const options = { via: 'post', handling: 'strict', headers: { 'x-request-id': '7' } } as const
    const first = await clientOf(sender).search('Observation', { code: 'x' }, options)
    await first.follow('next')
    expect(sender.asked[1]).toMatchObject({
      method: 'GET',
      headers: { accept: 'application/fhir+json', 'x-request-id': '7' },
    })
    expect(Object.keys(sender.asked[1]?.headers ?? {})).toHaveLength(2)
  })

  it('may be called prev', async () => {
    const link = [{ relation: 'prev', url: `${baseUrl}/Observation?p=0` }]
    const sender = scriptedSender(
      fhir(200, { resourceType: 'Bundle', link }),
      fhir(200, { resourceType: 'Bundle' }),
    )
    const found = await clientOf(sender).search('Observation')
    expect(await found.follow('previous')).toMatchObject({ ordinal: -1 })
  })

  it('are gone with their session', async () => {
    const sender = scriptedSender(fhir(200, page(['a'], 'x1')), fhir(410))
    const found = await clientOf(sender).search('Observation')
    expect(await failureOf(found.follow('next'))).toMatchObject({ code: 'ERR_PAGE_EXPIRED', status: 410 })
  })
})

describe('links that go round', () => {
  it.each([1, 2, 3, 7])('in a ring of %i end', async (size) => {
    let asked = 0
    const send = async (): Promise<Response> => {
      asked += 1
      return fhir(200, page([`o${asked}`], `x${asked % size}`))
    }
    const error = await failureOf(
      (async () => {
        for await (const _page of clientOf({ send }).pages('Observation', {}, { lookAhead: 0 }));
      })(),
    )
    expect(error).toMatchObject({ code: 'ERR_BAD_LINK' })
    expect(asked).toBeLessThan(4 * size + 4)
  })
})

describe('what a search did not use', () => {
  const search = async (self: string | undefined, params: Record<string, string>) => {
    const link = self === undefined ? [] : [{ relation: 'self', url: self }]
    const sender = scriptedSender(fhir(200, { resourceType: 'Bundle', link }))
    return clientOf(sender).search('Observation', params)
  }

  it.each([
    ['all used', 'http://x/Observation?code=a&_count=50', {}, []],
    ['one dropped', 'http://x/Observation?_count=50', {}, ['code']],
    ['a modifier dropped', 'http://x/Observation?code=a&subject=Patient/1', { 'subject:Patient': '1' }, []],
    ['everything dropped', 'http://x/Observation', { _lastUpdated: 'gt2026' }, ['code', '_lastUpdated']],
    ['paging is no filter', 'http://x/Observation?code=a', { _count: '5', _sort: '_id' }, []],
  ])('is told: %s', async (_name, self, more, ignored) => {
    expect((await search(self, { code: 'a', ...more })).ignored).toEqual(ignored)
  })

  it('is unknown without a self link', async () => {
    expect(await search(undefined, { code: 'a' })).not.toHaveProperty('ignored')
  })

  it('can be refused', async () => {
    const sender = scriptedSender(fhir(400))
    const strict = clientOf(sender).search('Observation', { nonsense: 1 }, { handling: 'strict' })
    expect(await failureOf(strict)).toMatchObject({ status: 400 })
    expect(sender.sent[0]?.headers).toMatchObject({ prefer: 'handling=strict' })
  })
})

describe('history', () => {
  const history = {
    resourceType: 'Bundle',
    type: 'history',
    link: [{ relation: 'next', url: 'http://blaze:8080/r4/Patient/p1/__history-page/x' }],
    entry: [
      {
        fullUrl: 'http://blaze:8080/r4/Patient/p1',
        request: { method: 'DELETE', url: 'Patient/p1' },
        response: { status: '204', etag: 'W/"9"', lastModified: '2026-01-03T00:00:00Z' },
      },
      {
        request: { method: 'PUT', url: 'Patient/p1' },
        resource: {
          resourceType: 'Patient',
          id: 'p1',
          meta: { versionId: '4', lastUpdated: '2026-01-02T00:00:00Z' },
        },
      },
      { resource: { resourceType: 'Patient', id: 'p1' } },
      {},
      'nonsense',
    ],
  }

  it('tells versions and deletions', async () => {
    const sender = scriptedSender(fhir(200, history))
    const { versions } = await clientOf(sender).history({ type: 'Patient', id: 'p1', params: { _count: 5 } })
    expect(sender.sent[0]?.url).toBe(`${baseUrl}/Patient/p1/_history?_count=5`)
    expect(versions).toEqual([
      {
        address: { type: 'Patient', id: 'p1', version: '9' },
        method: 'DELETE',
        deleted: true,
        lastModified: '2026-01-03T00:00:00Z',
      },
      {
        address: { type: 'Patient', id: 'p1', version: '4' },
        method: 'PUT',
        deleted: false,
        lastModified: '2026-01-02T00:00:00Z',
        resource: history.entry[1] instanceof Object ? history.entry[1].resource : undefined,
      },
      {
        address: { type: 'Patient', id: 'p1' },
        deleted: false,
        resource: { resourceType: 'Patient', id: 'p1' },
      },
      { deleted: true },
    ])
  })

  it.each([
    [{}, '/_history'],
    [{ type: 'Patient' }, '/Patient/_history'],
    [{ type: 'Patient', id: 'p1' }, '/Patient/p1/_history'],
  ])('of %j is paged', async (scope, path) => {
    const next = `http://blaze:8080/r4${path}-page/x`.replace('/_history-page', '/_history/page')
    const link = [
      { relation: 'self', url: `http://blaze:8080/r4${path}` },
      { relation: 'next', url: next },
    ]
    const sender = scriptedSender(
      fhir(200, { ...history, link }),
      fhir(200, { ...history, link: [], entry: [] }),
    )
    const seen: HistoryPage[] = []
    for await (const one of clientOf(sender).historyPages(scope)) seen.push(one)
    expect(seen.map(({ ordinal, versions }) => [ordinal, versions.length])).toEqual([
      [0, 4],
      [1, 0],
    ])
    expect(sender.sent.map(({ url }) => url)).toEqual([
      baseUrl + path,
      next.replace('http://blaze:8080/r4', baseUrl),
    ])
  })
})

describe('operations in pages', () => {
  it('are walked like searches', async () => {
    const next = 'http://blaze:8080/r4/Patient/p1/__everything-page/x'
    const sender = scriptedSender(
      fhir(200, { ...page(['a'], 'x'), link: [{ relation: 'next', url: next }] }),
      fhir(200, { ...page(['b'], 'x'), link: [] }),
    )
    const ids: (string | undefined)[] = []
    const everything = { type: 'Patient', id: 'p1', params: { _count: 1 } }
    for await (const { matches } of clientOf(sender).operationPages('$everything', everything)) {
      ids.push(...matches.map(({ id }) => id))
    }
    expect(ids).toEqual(['a', 'b'])
    expect(sender.sent.map(({ url }) => url)).toEqual([
      `${baseUrl}/Patient/p1/$everything?_count=1`,
      `${baseUrl}/Patient/p1/__everything-page/x`,
    ])
  })
})

function page(ids: readonly string[], next: string): Record<string, unknown> {
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    link: [{ relation: 'next', url: `${baseUrl}/Observation/__page/${next}` }],
    entry: ids.map((id) => ({ resource: { resourceType: 'Observation', id } })),
  }
}
