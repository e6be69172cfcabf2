import { describe, expect, it } from 'vitest'
import type { MockServerOptions } from '../src/index.js'
import { json, type Json } from './rig.js'
import { ids, links, tableRig, type TableRig } from './table-rig.js'

const hour = 60 * 60 * 1000
const blaze = (options: MockServerOptions = {}): TableRig =>
  tableRig({ profiles: { fhir: 'blaze' }, ...options })
const outcome = (answer: Json) => [answer['issue']?.[0]?.['code'], answer['issue']?.[0]?.['diagnostics']]
const relations = (bundle: Json): string[] => Object.keys(links(bundle))

describe('pages of Blaze', () => {
  const begin = (options?: MockServerOptions) => {
    const rig = blaze(options)
    rig.mock.state.load(
      Array.from({ length: 7 }, (_, n) => ({
        resourceType: 'Basic',
        id: `b${n}`,
        identifier: [{ value: 'k' }],
      })),
    )
    return rig
  }

  it.each([
    ['blaze-1.7', ['first', 'self', 'next'], ['first', 'next'], ['first']],
    ['blaze-1.8', ['first', 'self', 'next'], ['first', 'previous', 'next'], ['first', 'previous']],
    ['complete', ['self', 'next'], ['self', 'first', 'previous', 'next'], ['self', 'first', 'previous']],
  ] as const)('have the links of %s', async (linkSet, first, middle, last) => {
    const rig = begin({ profiles: { fhir: { like: 'blaze', links: linkSet } } })
    const one = await rig.get('/fhir/Basic?_count=3')
    const two = await rig.get(links(one)['next'] ?? '')
    const three = await rig.get(links(two)['next'] ?? '')
    expect([one, two, three].map(relations)).toEqual([first, middle, last])
    expect([one, two, three].map((page) => page['total'])).toEqual([7, undefined, undefined])
    expect(ids(await rig.get(links(three)['first'] ?? ''))).toEqual(['b0', 'b1', 'b2'])
    if (linkSet !== 'blaze-1.7')
      expect(ids(await rig.get(links(three)['previous'] ?? ''))).toEqual(['b3', 'b4', 'b5'])
  })

  it('repeat their links in a header', async () => {
    const response = await begin().send('/fhir/Basic?_count=3')
    const found = links(await json(response))
    expect(response.headers.get('link')).toBe(
      ['first', 'self', 'next'].map((relation) => `<${found[relation]}>;rel="${relation}"`).join(','),
    )
  })

  it('lose links from a header that grows too long', async () => {
    const rig = begin()
    const response = await rig.send(`/fhir/Basic?_count=3&identifier=k,${'x'.repeat(1100)}`)
    expect(Object.keys(links(await json(response)))).toEqual(['first', 'self', 'next'])
    const header = response.headers.get('link') ?? ''
    expect([header.includes('"first"'), header.length <= 2048]).toEqual([false, true])
  })

  it('give a total where it costs nothing or is asked for', async () => {
    const rig = begin()
    const total = async (query: string) => (await rig.get(`/fhir/Basic?${query}`))['total']
    expect(await total('_count=3')).toBe(7)
    expect(await total('_count=3&identifier=k')).toBeUndefined()
    expect(await total('_count=3&identifier=k&_total=accurate')).toBe(7)
    expect(await total('identifier=k')).toBe(7)
    const none = await rig.get('/fhir/Basic?identifier=none')
    expect([none['total'], relations(none), none['entry']]).toEqual([0, ['self'], undefined])
  })

  it('have another URL in every answer, and fail alike for every reason', async () => {
    const rig = begin()
    const next = links(await rig.get('/fhir/Basic?_count=3'))['next'] ?? ''
    expect(links(await rig.get('/fhir/Basic?_count=3'))['next']).not.toBe(next)
    expect(next).not.toContain('_count')
    const id = next.split('/').at(-1) ?? ''
    for (let at = 0; at < id.length; at += 7) {
      const altered = `${id.slice(0, at)}${id[at] === 'A' ? 'B' : 'A'}${id.slice(at + 1)}`
      const response = await rig.send(next.replace(id, altered))
      expect([response.status, ...outcome(await json(response))]).toEqual([
        404,
        'not-found',
        `Page with id \`${altered.slice(0, 80)}\` not found.`,
      ])
    }
    expect((await rig.send(next.replace('/Basic/', '/'))).status).toBe(404)
    expect((await rig.send(next, { method: 'POST' })).status).toBe(200)
  })

  it.each([
    ['hours-3-to-5', 3, 5],
    ['hours-2-to-4', 2, 4],
  ] as const)('live %s', async (pageLife, atLeast, atMost) => {
    const lives: number[] = []
    for (let offset = 0; offset < 4; offset += 0.5) {
      const rig = begin({ profiles: { fhir: { like: 'blaze', pageLife } } })
      rig.advance(offset * hour)
      const next = links(await rig.get('/fhir/Basic?_count=3'))['next'] ?? ''
      let alive = 0
      while ((await rig.send(next)).status === 200) {
        rig.advance(hour / 4)
        alive += 0.25
      }
      lives.push(alive)
    }
    expect(Math.min(...lives)).toBeGreaterThanOrEqual(atLeast)
    expect(Math.max(...lives)).toBeLessThanOrEqual(atMost + 0.25)
  })

  it('of a search by POST need parameters that a restart forgets', async () => {
    const rig = begin()
    const search = { method: 'POST', body: new URLSearchParams({ identifier: 'k', _count: '3' }) }
    const first = await json(rig.send('/fhir/Basic/_search', search))
    const next = links(first)['next'] ?? ''
    expect(ids(await rig.get(next))).toEqual(['b3', 'b4', 'b5'])
    rig.advance(hour)
    const expired = await rig.send(next)
    expect([expired.status, outcome(await json(expired))[1]]).toEqual([
      404,
      expect.stringMatching(/^Clauses of token `[0-9a-f]+` not found\.$/),
    ])
    const again = blaze()
    const fresh = links(await json(rig.send('/fhir/Basic/_search', search)))['next'] ?? ''
    again.mock.state.restore(rig.mock.state.export())
    again.advance(hour)
    expect((await again.send(fresh)).status).toBe(404)
    // A search by GET carries everything in its link, and goes on.
    const byGet = links(await rig.get('/fhir/Basic?_count=3'))['next'] ?? ''
    expect(ids(await again.get(byGet))).toEqual(['b3', 'b4', 'b5'])
  })

  it('reach back ten pages', async () => {
    const rig = blaze()
    rig.mock.state.load(Array.from({ length: 14 }, (_, n) => ({ resourceType: 'Basic', id: `b${n}` })))
    let page = await rig.get('/fhir/Basic?_count=1')
    while (links(page)['next'] !== undefined) page = await rig.get(links(page)['next'] ?? '')
    let steps = 0
    while (links(page)['previous'] !== undefined) {
      page = await rig.get(links(page)['previous'] ?? '')
      steps += 1
    }
    expect([steps, ids(page)]).toEqual([10, ['b3']])
  })

  it('show everything about a patient, whole or in pages', async () => {
    const rig = blaze()
    rig.mock.state.load([
      { resourceType: 'Patient', id: 'p' },
      ...[1, 2, 3].map((n) => ({
        resourceType: 'Flag',
        id: `f${n}`,
        subject: { reference: `Patient/${n === 2 ? 'q' : 'p'}` },
      })),
    ])
    const whole = await rig.get('/fhir/Patient/p/$everything')
    expect([whole['total'], ids(whole), relations(whole)]).toEqual([3, ['p', 'f1', 'f3'], []])
    const first = await rig.get('/fhir/Patient/p/$everything?_count=2')
    expect([first['total'], ids(first), relations(first)]).toEqual([undefined, ['p', 'f1'], ['next']])
    const second = await rig.get(links(first)['next'] ?? '')
    expect([ids(second), relations(second)]).toEqual([['f3'], []])
    expect(links(first)['next']).toContain('/fhir/Patient/p/__everything-page/')
    expect((await rig.send('/fhir/Patient/none/$everything')).status).toBe(404)
    rig.mock.state.load(
      Array.from({ length: 10_000 }, () => ({ resourceType: 'Flag', subject: { reference: 'Patient/p' } })),
    )
    const costly = await rig.send('/fhir/Patient/p/$everything')
    expect([costly.status, outcome(await json(costly))[0]]).toEqual([409, 'too-costly'])
  })
})
