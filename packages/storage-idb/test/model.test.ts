import 'fake-indexeddb/auto'
import {
  isLease,
  memoryStorage,
  type Lease,
  type QueueStorage,
  type Settlement,
} from '@fhir-outbox/queue-core'
import * as fc from 'fast-check'
import { deleteDB } from 'idb'
import { expect, it } from 'vitest'
import { openIdbStorage, type IdbStorage } from '../src/index.js'
import { processLocks } from './support/process-locks.js'

const lanes = ['a', 'b', ...Array.from({ length: 40 }, (_, at) => `lane ${at}`)]
const note = new Uint8Array([9])

type Step =
  | {
      readonly do: 'append'
      readonly by: number
      readonly lane: number
      readonly count: number
      readonly after?: number
      readonly once: boolean
    }
  | { readonly do: 'lease' | 'mark' | 'hurry' | 'reopen' | 'hand over' }
  | { readonly do: 'settle'; readonly outcome: Settlement['outcome']; readonly part: number }
  | {
      readonly do: 'decide'
      readonly by: number
      readonly kind: 'redrive' | 'discard' | 'withdraw' | 'assume-delivered'
      readonly at: number
    }
  | { readonly do: 'elapse'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      {
        do: fc.constant('append' as const),
        by: fc.nat(1),
        lane: fc.nat(lanes.length - 1),
        count: fc.integer({ min: 1, max: 40 }),
        after: fc.nat(50),
        once: fc.boolean(),
      },
      { requiredKeys: ['do', 'by', 'lane', 'count', 'once'] },
    ),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'lease' as const,
        'lease' as const,
        'mark' as const,
        'hurry' as const,
        'hand over' as const,
        'reopen' as const,
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      outcome: fc.constantFrom<Settlement['outcome']>(
        'delivered',
        'rejected',
        'parked',
        'waiting',
        'unknown',
      ),
      part: fc.integer({ min: 1, max: 10 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('decide' as const),
      by: fc.nat(1),
      kind: fc.constantFrom(
        'redrive' as const,
        'discard' as const,
        'withdraw' as const,
        'assume-delivered' as const,
      ),
      at: fc.nat(60),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('elapse' as const), ms: fc.constantFrom(10, 600, 2000) }),
  },
)

const codeOf = async (call: Promise<unknown>): Promise<string> =>
  await call.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? String(error),
  )

/** What came back unknown without a mark is asked about, under a mark of its own. */
const markedAnew: Step[] = [
  { do: 'append', by: 0, lane: 0, count: 1, once: false },
  { do: 'lease' },
  { do: 'settle', outcome: 'unknown', part: 1 },
  { do: 'lease' },
  { do: 'mark' },
]

/** Two tabs and a memory storage get the same calls; they must say the same of every entry. */
it('two tabs together are what one memory storage is', async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      let clock = 1_000_000
      const name = `model-${run++}`
      const locks = processLocks()
      const now = (): number => clock
      const open = (): Promise<IdbStorage> =>
        openIdbStorage({ name, locks, now, persist: false, receipts: { maxCount: 60 } })
      const model = memoryStorage({ now, receipts: { maxCount: 60 } })
      const tabs: [IdbStorage, IdbStorage] = [await open(), await open()]
      let drainer = 0
      let held: { readonly lease: Lease; readonly twin: Lease; open: number[] } | undefined
      const drain = (): IdbStorage => tabs[drainer] ?? tabs[0]
      const both = async (
        call: (storage: QueueStorage) => Promise<unknown>,
        tab: QueueStorage,
      ): Promise<void> => {
        expect(await codeOf(call(tab))).toBe(await codeOf(call(model)))
      }
      /** Retention is applied at different calls; what both still know must agree. */
      const compare = async (): Promise<void> => {
        const expected = await model.stats()
        for (const tab of tabs) expect(await tab.stats()).toEqual(expected)
        const wanted = new Map((await model.list({ limit: 1000 })).map((entry) => [entry.sequence, entry]))
        for (const entry of (await tabs[1 - drainer]?.list({ limit: 1000 })) ?? []) {
          const twin = wanted.get(entry.sequence)
          if (twin === undefined) expect(['delivered', 'discarded']).toContain(entry.state)
          else expect(entry).toEqual(twin)
        }
      }
      const leaseBoth = async (): Promise<void> => {
        const request = { limit: 7, maxBytes: 1000, ttlMs: 1000, closedGates: [] }
        // What the other tab did is on its way to the one that drains; a reading of its own makes sure.
        await drain().hurry?.()
        await model.hurry?.()
        const [lease, twin] = [await drain().lease(request), await model.lease(request)]
        expect(isLease(lease)).toBe(isLease(twin))
        if (!isLease(lease) || !isLease(twin)) return
        expect({ ...lease, id: '' }).toEqual({ ...twin, id: '' })
        held = { lease, twin, open: lease.entries.map(({ sequence }) => sequence) }
      }
      try {
        for (const one of steps) {
          if (one.do === 'append') {
            const { accepted } = await model.stats()
            const drafts = Array.from({ length: one.count }, (_, at) => ({
              lane: lanes[one.lane] ?? '',
              gate: 'g',
              key: one.once ? `key ${at % 3}` : crypto.randomUUID(),
              once: one.once,
              header: note,
              payload: new Uint8Array(at),
              ...(one.after === undefined || accepted === 0 ? {} : { after: [1 + (one.after % accepted)] }),
            }))
            expect(await tabs[one.by]?.append(drafts)).toEqual(await model.append(drafts))
          } else if (one.do === 'lease') await leaseBoth()
          else if (one.do === 'mark' && held !== undefined) {
            const { lease, twin, open: left } = held
            const notes = left.slice(0, 2).map((sequence) => ({ sequence, group: 'group' }))
            expect(await codeOf(drain().mark(lease, notes))).toBe(await codeOf(model.mark(twin, notes)))
          } else if (one.do === 'settle' && held !== undefined) {
            const { lease, twin } = held
            const part = held.open.splice(0, one.part)
            const settlements = part.map((sequence): Settlement => {
              if (one.outcome === 'waiting' || one.outcome === 'unknown') {
                return { sequence, outcome: one.outcome, delayMs: sequence % 2 === 0 ? 500 : 0, spent: true }
              }
              const receiptHash = new Uint8Array(32).fill(sequence)
              return one.outcome === 'delivered'
                ? { sequence, outcome: one.outcome, note, receiptHash }
                : { sequence, outcome: one.outcome, note }
            })
            expect(await codeOf(drain().settle(lease, settlements))).toBe(
              await codeOf(model.settle(twin, settlements)),
            )
          } else if (one.do === 'decide') {
            const decision =
              one.kind === 'redrive'
                ? { kind: one.kind, note, payload: new Uint8Array(5) }
                : { kind: one.kind, note }
            await both((storage) => storage.decide(one.at, decision), tabs[one.by] ?? tabs[0])
          } else if (one.do === 'hurry') await both(async (storage) => await storage.hurry?.(), tabs[0])
          else if (one.do === 'elapse') clock += one.ms
          else if ((one.do === 'hand over' || one.do === 'reopen') && held === undefined) {
            await drain().close()
            tabs[drainer] = await open()
            if (one.do === 'hand over') drainer = 1 - drainer
          }
          await compare()
        }
      } finally {
        for (const tab of tabs) await tab.close()
        await model.close()
        await deleteDB(name)
      }
    }),
    { numRuns: 60, examples: [[markedAnew]] },
  )
}, 40_000)
