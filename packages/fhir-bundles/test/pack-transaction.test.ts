import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bisectBundle,
  deviceBundle,
  packTransaction,
  type Reading,
  stringifyExact,
  type TransactionEntry,
  type TransactionPart,
} from '../src/index.js'
import { codeOf, errorOf, reading } from './fixtures.js'

const urn = (index: number) => `urn:uuid:00000000-0000-4000-8000-${String(index).padStart(12, '0')}`

type Kind = 'plain' | 'conditional' | 'put'

/** An entry that refers to others by fullUrl. */
function entry(index: number, kind: Kind, references: readonly number[] = []): TransactionEntry {
  const resource = {
    resourceType: 'Basic',
    ...(references.length === 0
      ? {}
      : { extension: references.map((to) => ({ valueReference: { reference: urn(to) } })) }),
  }
  const request =
    kind === 'put'
      ? { method: 'PUT', url: `Basic/${index}` }
      : {
          method: 'POST',
          url: 'Basic',
          ...(kind === 'conditional' ? { ifNoneExist: `identifier=${index}` } : {}),
        }
  return { fullUrl: urn(index), resource, request }
}

/** Every urn:uuid in a part is the fullUrl of an entry in it. */
function expectClosed({ bundle }: TransactionPart): void {
  const text = stringifyExact(bundle.entry.map(({ resource }) => resource ?? null))
  const fullUrls = new Set(bundle.entry.map(({ fullUrl }) => fullUrl))
  for (const [reference] of text.matchAll(/urn:uuid:[0-9a-f-]{36}/g)) expect(fullUrls).toContain(reference)
}

function day(count: number): Reading[] {
  return Array.from({ length: count }, (_, index) => ({
    ...reading,
    time: {
      quality: 'unsynchronized',
      measuredAt: `2021-11-22T11:${String(index).padStart(2, '0')}:30`,
      deviceTime: '2021-11-22T12:00:00',
      gatewayTime: '2021-11-22T12:00:05.250+01:00',
    },
  }))
}

describe('packTransaction', () => {
  test('repeats patient, devices and coincident time stamp in every part, each measurement once', () => {
    const entries = deviceBundle(day(10)).bundle?.entry ?? []
    expect(entries).toHaveLength(4 + 20)
    const parts = packTransaction(entries, { entries: 50, conditionalEntries: 8 })
    expect(parts).toHaveLength(5)
    for (const part of parts) {
      expectClosed(part)
      expect(part.indexes.slice(0, 4)).toEqual([0, 1, 2, 3])
      expect(part.bundle.entry).toHaveLength(8)
    }
    const measurements = parts.flatMap(({ indexes }) => indexes.slice(4))
    expect(measurements).toEqual(Array.from({ length: 20 }, (_, index) => index + 4))
  })

  test('one part when everything fits; entries are passed on untouched', () => {
    const entries = deviceBundle(day(3)).bundle?.entry ?? []
    const [part, ...others] = packTransaction(entries, {})
    expect(others).toEqual([])
    expect(part?.bundle).toEqual({ resourceType: 'Bundle', type: 'transaction', entry: entries })
    expect(part?.bundle.entry[0]).toBe(entries[0])
  })

  test('nothing gives nothing', () => {
    expect(packTransaction([], { entries: 1 })).toEqual([])
  })

  test('a plain create is never repeated: what refers to it stays with it', () => {
    const entries = [
      entry(0, 'plain'),
      entry(1, 'conditional', [0]),
      entry(2, 'plain'),
      entry(3, 'plain', [0]),
    ]
    const parts = packTransaction(entries, { entries: 3 })
    expect(parts.map(({ indexes }) => indexes)).toEqual([[0, 1, 3], [2]])
  })

  test('a conditional create that needs a plain one is not repeated either', () => {
    const entries = [
      entry(0, 'plain'),
      entry(1, 'conditional', [0]),
      entry(2, 'plain', [1]),
      entry(3, 'plain', [1]),
    ]
    expect(codeOf(() => packTransaction(entries, { entries: 3 }))).toBe('ERR_REFERENCE_CLOSURE')
    expect(packTransaction(entries, { entries: 4 })).toHaveLength(1)
  })

  test('a PUT is never repeated; a reference to its final id only needs it to come first', () => {
    const put = { ...entry(0, 'put'), fullUrl: 'http://server.example/Basic/0' }
    const later = (index: number) => ({
      ...entry(index, 'plain'),
      resource: { resourceType: 'Basic', subject: { reference: 'Basic/0' } },
    })
    const parts = packTransaction([put, later(1), later(2)], { entries: 1 })
    expect(parts.map(({ indexes }) => indexes)).toEqual([[0], [1], [2]])
    // The other way round they have to travel together.
    expect(codeOf(() => packTransaction([later(1), put], { entries: 1 }))).toBe('ERR_REFERENCE_CLOSURE')
    expect(packTransaction([later(1), put, later(2)], { entries: 2 }).map(({ indexes }) => indexes)).toEqual([
      [0, 1],
      [2],
    ])
  })

  test('two updates of one resource go in two transactions', () => {
    const update = { ...entry(0, 'put'), fullUrl: 'http://server.example/Basic/0' }
    expect(packTransaction([update, update], {}).map(({ indexes }) => indexes)).toEqual([[0], [1]])
    const condition = (index: number) => ({
      ...entry(index, 'conditional'),
      request: entry(0, 'conditional').request,
    })
    expect(packTransaction([condition(1), condition(2)], {})).toHaveLength(2)
  })

  test('a reference by condition is answered in its own transaction or by an earlier one', () => {
    const byCondition = (index: number, condition: string) => ({
      ...entry(index, 'plain'),
      resource: { resourceType: 'Basic', subject: { reference: condition } },
    })
    const created = entry(0, 'conditional')
    const users = [byCondition(1, 'Basic?identifier=0'), byCondition(2, 'Basic?identifier=0')]
    // A conditional create is repeated for each of them, wherever it stands.
    for (const entries of [
      [created, ...users],
      [...users, created],
    ]) {
      const parts = packTransaction(entries, { entries: 2 })
      expect(parts.map(({ bundle }) => bundle.entry.length)).toEqual([2, 2])
      for (const { bundle } of parts) expect(bundle.entry).toContain(created)
      for (const half of bisectBundle({ entry: entries }) ?? []) {
        expect(half.bundle.entry).toContain(created)
      }
    }
    // A conditional update is not repeated, and only needs to come first.
    const updated = { ...entry(0, 'put'), request: { method: 'PUT', url: 'Basic?identifier=0' } }
    const parts = packTransaction([...users, updated], { entries: 2 })
    expect(parts.map(({ indexes }) => indexes)).toEqual([[0, 2], [1]])
    // What nobody writes is there already.
    expect(packTransaction([byCondition(1, 'Basic?identifier=7')], {})).toHaveLength(1)
  })

  test('conditional creates that refer to each other travel together', () => {
    const entries = [entry(0, 'conditional', [1]), entry(1, 'conditional', [0]), entry(2, 'conditional', [2])]
    expect(packTransaction(entries, { entries: 2 }).map(({ indexes }) => indexes)).toEqual([[0, 1], [2]])
  })

  test('references in any text and in the narrative count', () => {
    const narrative = { text: { div: `<div><a href="${urn(0)}">x</a></div>` } }
    const entries = [
      entry(0, 'plain'),
      { ...entry(1, 'plain'), resource: narrative },
      { ...entry(2, 'plain'), resource: { valueUri: `${urn(0)}#part` } },
    ]
    expect(packTransaction(entries, { entries: 3 })).toHaveLength(1)
    expect(codeOf(() => packTransaction(entries, { entries: 2 }))).toBe('ERR_REFERENCE_CLOSURE')
  })

  test('counts the octets of the printed bundle exactly', () => {
    const entries = deviceBundle(day(2)).bundle?.entry ?? []
    const [whole] = packTransaction(entries, {})
    const bytes = new TextEncoder().encode(stringifyExact(whole?.bundle)).length
    expect(packTransaction(entries, { bytes })).toHaveLength(1)
    const parts = packTransaction(entries, { bytes: bytes - 1 })
    expect(parts.length).toBeGreaterThan(1)
    for (const { bundle } of parts) {
      expect(new TextEncoder().encode(stringifyExact(bundle)).length).toBeLessThan(bytes)
    }
  })

  test('takes sizes from the caller', () => {
    const entries = [entry(0, 'plain'), entry(1, 'plain')]
    expect(packTransaction(entries, { bytes: 1057 }, { sizeOf: () => 500 })).toHaveLength(2)
    expect(packTransaction(entries, { bytes: 1058 }, { sizeOf: () => 500 })).toHaveLength(1)
  })

  test('names the entry that is too large alone, with its size', () => {
    const large = { ...entry(1, 'plain'), resource: { text: 'é'.repeat(1000) } }
    const error = errorOf(() => packTransaction([entry(0, 'plain'), large], { bytes: 1000 }))
    expect(error).toMatchObject({
      code: 'ERR_ENTRY_TOO_LARGE',
      path: 'entry[1]',
      bytes: new TextEncoder().encode(
        JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry: [large] }),
      ).length,
    })
  })

  test.each<[string, string, readonly unknown[]]>([
    ['a reference that no entry answers', 'ERR_REFERENCE_CLOSURE', [entry(0, 'plain', [7])]],
    ['a fullUrl twice', 'ERR_INVALID_BUNDLE', [entry(0, 'plain'), entry(0, 'plain')]],
    ['no request', 'ERR_INVALID_BUNDLE', [{ resource: {} }]],
    ['no entry', 'ERR_INVALID_BUNDLE', [null]],
    ['a request without url', 'ERR_INVALID_BUNDLE', [{ request: { method: 'POST' } }]],
    [
      'one resource written twice in what must stay together',
      'ERR_INVALID_BUNDLE',
      [
        entry(0, 'plain', [1, 2]),
        entry(1, 'conditional'),
        { ...entry(2, 'conditional'), request: entry(1, 'conditional').request },
      ],
    ],
  ])('refuses %s', (_, code, entries) => {
    expect(codeOf(() => packTransaction(entries as TransactionEntry[], { entries: 10 }))).toBe(code)
  })

  test.each([0, -1, Number.NaN])('refuses the limit %s', (limit) => {
    expect(codeOf(() => packTransaction([], { bytes: limit }))).toBe('ERR_INVALID_OPTION')
  })
})

/** Random entries that refer to earlier, later and the same ones. */
const anyEntries = fc
  .array(
    fc.tuple(
      fc.constantFrom<Kind>('plain', 'conditional', 'conditional', 'put'),
      fc.array(fc.nat(11), { maxLength: 2 }),
    ),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((rows) =>
    rows.map(([kind, to], index) =>
      entry(
        index,
        kind,
        to.filter((target) => target < rows.length),
      ),
    ),
  )

describe('for any graph of references', () => {
  test('parts are closed, within limits, complete, and repeat only conditional creates', () => {
    fc.assert(
      fc.property(anyEntries, fc.integer({ min: 1, max: 12 }), (entries, limit) => {
        let parts
        try {
          parts = packTransaction(entries, { entries: limit })
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_REFERENCE_CLOSURE' })
          expect(packTransaction(entries, { entries: entries.length }).length).toBeGreaterThan(0)
          return
        }
        const seen = new Map<number, number>()
        for (const part of parts) {
          expectClosed(part)
          expect(part.indexes.length).toBeLessThanOrEqual(limit)
          expect(part.indexes).toEqual([...new Set(part.indexes)].toSorted((a, b) => a - b))
          for (const index of part.indexes) seen.set(index, (seen.get(index) ?? 0) + 1)
        }
        for (const [index, { request }] of entries.entries()) {
          if (request.ifNoneExist === undefined) expect(seen.get(index)).toBe(1)
          else expect(seen.get(index)).toBeGreaterThanOrEqual(1)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('halves are smaller, closed and together complete', () => {
    fc.assert(
      fc.property(anyEntries, (entry) => {
        const halves = bisectBundle({ entry })
        if (halves === undefined) return
        for (const half of halves) {
          expectClosed(half)
          expect(half.indexes.length).toBeLessThan(entry.length)
          expect(half.indexes.length).toBeGreaterThan(0)
        }
        const all = halves.flatMap(({ indexes }) => indexes)
        expect(new Set(all).size).toBe(entry.length)
        const plain = all.filter((index) => entry[index]?.request.ifNoneExist === undefined)
        expect(new Set(plain).size).toBe(plain.length)
      }),
      { numRuns: 500 },
    )
  })
})

describe('bisectBundle', () => {
  test('finds one bad measurement among 64 in about log2 requests', () => {
    const bundle = deviceBundle(day(32)).bundle
    const bad = bundle?.entry.at(40)?.fullUrl
    let current: readonly TransactionEntry[] = bundle?.entry ?? []
    let requests = 0
    for (;;) {
      const halves = bisectBundle({ entry: current })
      if (halves === undefined) break
      requests += 1
      const [left, right] = halves.map(({ bundle }) => bundle.entry)
      current = (left?.some(({ fullUrl }) => fullUrl === bad) ? left : right) ?? []
    }
    expect(requests).toBe(6)
    expect(current).toHaveLength(5)
    expect(current.at(-1)?.fullUrl).toBe(bad)
  })

  test('keeps the order: everything left stands before everything right', () => {
    const entries = [0, 1, 2, 3, 4].map((index) => entry(index, 'plain'))
    const halves = bisectBundle({ entry: entries })
    expect(halves?.map(({ indexes }) => indexes)).toEqual([
      [0, 1],
      [2, 3, 4],
    ])
  })

  test('a circle of conditional creates that another one needs is not a half of its own', () => {
    const circles = [
      entry(0, 'conditional', [1]),
      entry(1, 'conditional', [0]),
      entry(2, 'conditional', [3, 0]),
      entry(3, 'conditional', [2]),
    ]
    expect(bisectBundle({ entry: circles })).toBeUndefined()
    const [left, right] = bisectBundle({ entry: [...circles, entry(4, 'plain')] }) ?? []
    expect([left?.indexes, right?.indexes]).toEqual([[0, 1, 2, 3], [4]])
    expect(packTransaction(circles, {}).map(({ indexes }) => indexes)).toEqual([[0, 1, 2, 3]])
  })

  test('what must stay together is not halved', () => {
    expect(bisectBundle({ entry: [entry(0, 'plain'), entry(1, 'plain', [0])] })).toBeUndefined()
    expect(bisectBundle({ entry: [] })).toBeUndefined()
  })
})
