import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  copyStorage,
  isLease,
  memoryStorage,
  openOutbox,
  sealStorage,
  type EntryDraft,
  type EntrySummary,
  type Lease,
  type QueueStorage,
  type Settlement,
} from '@fhir-outbox/queue-core'
import { memoryData, memoryHandle } from '../src/memory-storage.js'
import { aesCipher } from './aes-cipher.js'
import { deliverAll, quiet } from './world.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const request = { limit: 4, maxBytes: 1e6, ttlMs: 1000, closedGates: [] }
const draft = (overrides: Partial<EntryDraft> = {}): EntryDraft => ({
  lane: 'l',
  key: 'k',
  gate: 'g',
  header: text('h'),
  payload: text('p'),
  ...overrides,
})

async function leaseOf(storage: QueueStorage, overrides: Partial<typeof request> = {}): Promise<Lease> {
  const lease = await storage.lease({ ...request, ...overrides })
  if (!isLease(lease)) throw new Error('nothing ready')
  return lease
}

async function everything(storage: QueueStorage): Promise<EntrySummary[]> {
  return [...(await storage.list({ limit: 10_000 }))]
}

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

const receipt = (sequence: number, previous?: Uint8Array): Uint8Array => {
  const named = previous === undefined ? {} : { previous: hex(previous) }
  return text(
    JSON.stringify({ v: 1, at: 'then', sequence, key: `k${sequence}`, contentSha256: 'ab', ...named }),
  )
}

async function hashOf(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.slice()))
}

const step = fc.oneof(
  fc.record({
    op: fc.constant('add' as const),
    lane: fc.constantFrom('a', 'a', 'b', 'c'),
    gate: fc.constantFrom('g', 'g', 'g', 'h'),
    after: fc.nat(30),
    size: fc.nat(5),
  }),
  fc.record({
    op: fc.constant('deliver' as const),
    mark: fc.boolean(),
    outcomes: fc.array(
      fc.constantFrom(
        'delivered',
        'delivered',
        'rejected',
        'parked',
        'expired',
        'waiting',
        'unknown',
        'none',
      ),
      { minLength: 4, maxLength: 4 },
    ),
  }),
  fc.record({
    op: fc.constant('decide' as const),
    pick: fc.nat(100),
    kind: fc.constantFrom('redrive', 'redrive', 'discard', 'assume-delivered', 'withdraw'),
  }),
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

async function settlementFor(
  sequence: number,
  outcome: string,
  previous: Uint8Array | undefined,
): Promise<Settlement | undefined> {
  const note = text(`${outcome} ${sequence}`)
  if (outcome === 'delivered') {
    const bytes = receipt(sequence, previous)
    return { sequence, outcome, note: bytes, receiptHash: await hashOf(bytes) }
  }
  if (outcome === 'rejected' || outcome === 'parked' || outcome === 'expired')
    return { sequence, outcome, note }
  if (outcome === 'waiting' || outcome === 'unknown') {
    return { sequence, outcome, note, delayMs: 0, spent: outcome === 'unknown' }
  }
  return undefined
}

/** A store with a past: everything that can happen to entries, in any order. */
async function liveThrough(storage: QueueStorage, steps: readonly Step[]): Promise<void> {
  let count = 0
  for (const command of steps) {
    if (command.op === 'add') {
      const { lane, gate, after, size } = command
      const wanted = after >= 1 && after <= count ? { after: [after] } : {}
      count++
      await storage.append([
        draft({
          lane,
          gate,
          key: `k${count}`,
          header: text(`h${count}`),
          payload: new Uint8Array(size),
          ...wanted,
        }),
      ])
    } else if (command.op === 'deliver') {
      const lease = await storage.lease(request)
      if (!isLease(lease)) continue
      const { entries } = lease
      if (command.mark) {
        await storage.mark(
          lease,
          entries.map(({ sequence }) => ({ sequence, group: `r${sequence % 2}`, info: text('i') })),
        )
      }
      const settlements: Settlement[] = []
      let previous = lease.lastReceiptHash
      for (const [at, { sequence, state }] of entries.entries()) {
        const settlement = await settlementFor(sequence, command.outcomes[at] ?? 'none', previous)
        if (settlement?.outcome === 'delivered') previous = settlement.receiptHash
        if (settlement !== undefined) settlements.push(settlement)
        else settlements.push({ sequence, outcome: state, delayMs: 0, spent: false })
      }
      await storage.settle(lease, settlements)
    } else {
      const all = await everything(storage)
      const fitting = all.filter(({ state }) => state === (command.kind === 'withdraw' ? 'waiting' : 'dead'))
      const chosen = fitting[command.pick % Math.max(1, fitting.length)]
      if (chosen === undefined) continue
      await storage.decide(chosen.sequence, { kind: command.kind, note: text(`${command.kind} it`) })
    }
  }
}

/** What must be the same in a copy, with sequences as positions. */
async function essence(storage: QueueStorage): Promise<unknown[]> {
  const all = await everything(storage)
  const position = (sequence: number): number => all.findIndex((entry) => entry.sequence === sequence)
  const parts: unknown[] = []
  for (const { sequence, lane, key, gate, header, after, state, deadReason, heldBy, note, mark } of all) {
    const entry = await storage.read(sequence)
    parts.push({
      lane,
      key,
      gate,
      header,
      after: after.map(position),
      state,
      deadReason,
      heldBy: heldBy === undefined ? undefined : position(heldBy),
      note: note === undefined || note.length === 0 ? undefined : note,
      mark: mark === undefined ? undefined : { group: mark.group, info: mark.info },
      payload: entry?.payload,
    })
  }
  return parts
}

/** Delivers everything, and tells which keys went in which order in each lane, and each lane's last hash. */
async function drained(storage: QueueStorage): Promise<unknown> {
  const order = new Map<string, string[]>()
  const hashes = new Map<string, string>()
  for (;;) {
    const lease = await storage.lease({ ...request, limit: 1 })
    if (!isLease(lease)) break
    const { lane, entries, lastReceiptHash } = lease
    if (!hashes.has(lane)) hashes.set(lane, String(lastReceiptHash))
    order.set(lane, [...(order.get(lane) ?? []), ...entries.map(({ key, state }) => `${key} ${state}`)])
    await storage.settle(
      lease,
      entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: text('r') })),
    )
  }
  return { order: [...order].sort(), hashes: [...hashes].sort() }
}

describe('copyStorage', () => {
  it('copies any past: states, order, keys, notes, marks, holds and the receipt chain', async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }),
        fc.boolean(),
        async (steps, sealed) => {
          const from = memoryStorage({ now: () => 0 })
          await liveThrough(from, steps)
          await from.notes.put('evidence', text('known'), 0)
          const before = await essence(from)
          for (const { state, heldBy } of await everything(from)) {
            const name = heldBy === undefined ? state : 'held'
            seen.set(name, (seen.get(name) ?? 0) + 1)
          }
          const below = memoryStorage({ now: () => 0 })
          const to = sealed ? sealStorage(below, aesCipher()) : below
          const result = await copyStorage(from, to)
          expect(result).toMatchObject({ entries: before.length, notes: 1, unreadable: [] })
          expect(await essence(from)).toEqual(before)
          expect(await essence(to)).toEqual(before)
          const { bytes: _bytes, ...counts } = await from.stats()
          expect(await to.stats()).toMatchObject(counts)
          expect((await to.notes.get('evidence'))?.bytes).toEqual(text('known'))
          for (const { sequence, key } of await everything(from)) {
            expect((await to.read(result.sequenceOf(sequence) ?? 0))?.key).toBe(key)
          }
          expect(await drained(to)).toEqual(await drained(from))
        },
      ),
      { numRuns: 120 },
    )
    for (const state of ['waiting', 'unknown', 'dead', 'delivered', 'discarded', 'held']) {
      expect(seen.get(state) ?? 0, state).toBeGreaterThan(10)
    }
  })

  it('copies thousands, in order', async () => {
    const from = memoryStorage()
    await from.append(Array.from({ length: 2500 }, (_, at) => draft({ key: `k${at}`, lane: `l${at % 7}` })))
    for (let turn = 0; turn < 20; turn++) {
      const lease = await leaseOf(from)
      await from.settle(
        lease,
        lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: receipt(sequence) })),
      )
    }
    const to = memoryStorage()
    expect(await copyStorage(from, to)).toMatchObject({ entries: 2500 })
    expect((await everything(to)).map(({ key, state }) => [key, state])).toEqual(
      (await everything(from)).map(({ key, state }) => [key, state]),
    )
  })

  it('refuses a target that ever had an entry, and a source in use', async () => {
    const from = memoryStorage()
    await from.append([draft()])
    const used = memoryStorage()
    await used.append([draft()])
    await used.decide(1, { kind: 'withdraw', note: text('n') })
    await expect(copyStorage(from, used)).rejects.toMatchObject({ code: 'ERR_NOT_EMPTY' })
    expect(await used.notes.names?.()).toEqual([])
    const lease = await leaseOf(from)
    const to = memoryStorage()
    await expect(copyStorage(from, to)).rejects.toMatchObject({ code: 'ERR_WRONG_STATE' })
    await from.settle(lease, [{ sequence: 1, outcome: 'waiting', delayMs: 0, spent: false }])
    const changing: QueueStorage = {
      ...from,
      async list(query) {
        await from.append([draft()])
        return await from.list({ ...query, limit: 1 }).then((page) => (query.after === 0 ? page : []))
      },
    }
    await expect(copyStorage(changing, to)).rejects.toMatchObject({ code: 'ERR_WRONG_STATE' })
    // What was begun is not continued.
    expect(
      JSON.parse(new TextDecoder().decode((await to.notes.get('fhir-outbox-copy'))?.bytes)),
    ).toMatchObject({
      state: 'unfinished',
    })
    await expect(copyStorage(from, to)).rejects.toMatchObject({ code: 'ERR_NOT_EMPTY' })
  })

  it('tells when it is complete, and stops when it is aborted', async () => {
    const from = memoryStorage()
    await from.append([draft()])
    const to = memoryStorage()
    await copyStorage(from, to, { wallClock: () => 0 })
    expect(JSON.parse(new TextDecoder().decode((await to.notes.get('fhir-outbox-copy'))?.bytes))).toEqual({
      v: 1,
      state: 'complete',
      at: '1970-01-01T00:00:00.000Z',
    })
    const aborted = copyStorage(from, memoryStorage(), { signal: AbortSignal.abort() })
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('copies named notes of a source that cannot list them', async () => {
    const { notes, ...rest } = memoryStorage()
    const from: QueueStorage = { ...rest, notes: { get: notes.get, put: notes.put } }
    await notes.put('a', text('1'), 0)
    await notes.put('b', text('2'), 0)
    const to = memoryStorage()
    expect(await copyStorage(from, to, { notes: ['b', 'never'] })).toMatchObject({ notes: 1 })
    expect(await to.notes.get('a')).toBeUndefined()
    expect((await to.notes.get('b'))?.bytes).toEqual(text('2'))
  })

  it('what could not be read back is discarded in the copy, so that what is after it stays held', async () => {
    const data = memoryData({ now: () => 0 })
    const from = memoryHandle(data, memoryStorage().supports)
    await from.append([draft({ key: 'a', lane: 'a' }), draft({ key: 'b', lane: 'b' })])
    await from.append([draft({ key: 'c', lane: 'c', after: [1] })])
    data.index.quarantine(1, 0)
    const record = data.records.get(1)
    if (record !== undefined) record.payload = undefined
    const to = memoryStorage()
    const result = await copyStorage(from, to)
    expect(result.unreadable).toEqual([1])
    expect((await everything(to)).map(({ key, state, heldBy }) => [key, state, heldBy])).toEqual([
      ['a', 'discarded', undefined],
      ['b', 'waiting', undefined],
      ['c', 'waiting', 1],
    ])
  })

  it('an outbox goes on in the copy where it was, and its receipts hang together', async () => {
    const transport = { deliver: deliverAll, resolve: deliverAll }
    const from = memoryStorage()
    const first = openOutbox({ storage: from, transport })
    for (let count = 0; count < 3; count++) await first.enqueue(draft({ key: `k${count}` }))
    await first.flush()
    await first.stop()
    await first.enqueue(draft({ key: 'last' }))
    const to = memoryStorage()
    await copyStorage(from, to)
    const second = openOutbox({ storage: to, transport })
    await second.flush()
    const settled = await second.settled(4)
    const third = await to.read(3)
    const hash = hex(await hashOf(third?.note ?? text('')))
    expect(settled).toMatchObject({ state: 'delivered', key: 'last', previous: hash })
    await quiet()
    await second.close()
  })
})
