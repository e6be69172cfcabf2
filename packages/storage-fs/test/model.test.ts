import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Decision,
  isLease,
  memoryStorage,
  type QueueStorage,
  type Settlement,
} from '@fhir-outbox/queue-core'
import { openFsStorage } from '../src/index.js'
import { simulatedDisk } from './support/simulated-disk.js'
import { bytes, draft } from './support/tools.js'

type Step =
  | {
      readonly do: 'append'
      readonly lanes: readonly number[]
      readonly size: number
      readonly once: boolean
      readonly after: number
    }
  | {
      readonly do: 'deliver'
      readonly lane: number
      readonly limit: number
      readonly outcome: number
      readonly mark: boolean
    }
  | { readonly do: 'decide'; readonly pick: number; readonly kind: number }
  | { readonly do: 'elapse'; readonly ms: number }
  | { readonly do: 'reopen' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      lanes: fc.array(fc.nat(2), { minLength: 1, maxLength: 4 }),
      size: fc.nat(400),
      once: fc.boolean(),
      after: fc.nat(30),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      lane: fc.nat(2),
      limit: fc.integer({ min: 1, max: 4 }),
      outcome: fc.nat(5),
      mark: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('decide' as const), pick: fc.nat(50), kind: fc.nat(4) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('elapse' as const), ms: fc.nat(5000) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'reopen' as const }) },
)

const outcomes = ['delivered', 'rejected', 'parked', 'expired', 'waiting', 'unknown'] as const

function settlement(sequence: number, pick: number, turn: number): Settlement {
  const outcome = outcomes[pick] ?? 'delivered'
  const note = bytes(`note ${turn} of ${sequence}`)
  if (outcome === 'delivered') return { sequence, outcome, note, receiptHash: new Uint8Array(32).fill(turn) }
  if (outcome !== 'waiting' && outcome !== 'unknown') return { sequence, outcome, note }
  return { sequence, outcome, note, delayMs: 1000, spent: turn % 2 === 0 }
}

const decisions: readonly ((turn: number) => Decision)[] = [
  () => ({ kind: 'redrive', note: bytes('again') }),
  (turn) => ({ kind: 'redrive', note: bytes('fixed'), payload: bytes(`corrected ${turn}`) }),
  () => ({ kind: 'discard', note: bytes('enough') }),
  () => ({ kind: 'assume-delivered', note: bytes('somebody said so') }),
  () => ({ kind: 'withdraw', note: bytes('taken back') }),
]

/** Performs a step; the answer is everything a caller can see of it. */
async function perform(storage: QueueStorage, action: Step, turn: number): Promise<unknown> {
  if (action.do === 'append') {
    const { accepted } = await storage.stats()
    const after = action.after > 0 && action.after <= accepted ? [action.after] : []
    const drafts = action.lanes.map((lane, at) =>
      draft(action.once ? `key-${lane}` : `key-${turn}-${at}`, {
        lane: `lane ${lane}`,
        gate: `gate ${lane}`,
        once: action.once,
        after,
        payload: new Uint8Array(action.size).fill(turn),
      }),
    )
    return await storage.append(drafts)
  }
  if (action.do === 'decide') {
    const decision = (decisions[action.kind] ?? decisions[0])?.(turn)
    if (decision === undefined) return undefined
    return await storage.decide(action.pick, decision).catch((error: { code: string }) => error.code)
  }
  if (action.do !== 'deliver') return undefined
  // By gate, because which lane was leased longest ago is not remembered over a restart.
  const onlyGate = `gate ${action.lane}`
  const lease = await storage.lease({
    limit: action.limit,
    maxBytes: 1e9,
    ttlMs: 60_000,
    closedGates: [],
    onlyGate,
  })
  if (!isLease(lease)) return lease
  const { id: _id, ...seen } = lease
  const sequences = lease.entries.map(({ sequence }) => sequence)
  if (action.mark) {
    await storage.mark(
      lease,
      sequences.map((sequence) => ({ sequence, group: `g${turn}`, info: bytes('i') })),
    )
  }
  await storage.settle(
    lease,
    sequences.map((sequence) => settlement(sequence, action.outcome, turn)),
  )
  return seen
}

describe('against the memory storage', () => {
  it('every history looks the same, however often the store is closed, killed or loses power', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(2), async (steps, way) => {
        let time = 1_700_000_000_000
        const now = (): number => time
        const receipts = { maxCount: 6 }
        const disk = simulatedDisk()
        const model = memoryStorage({ now, receipts })
        const open = (): Promise<QueueStorage> =>
          openFsStorage({ directory: '/q', fs: disk.port(), now, segmentBytes: 1500, receipts })
        let storage = await open()
        for (const [turn, action] of steps.entries()) {
          if (action.do === 'elapse') time += action.ms
          else if (action.do === 'reopen') {
            if (way === 0) await storage.close()
            else {
              await storage.sync()
              disk.crash(way === 1 ? 'process' : 'power')
            }
            storage = await open()
          } else expect(await perform(storage, action, turn)).toEqual(await perform(model, action, turn))
          expect(await storage.list({ limit: 1000 })).toEqual(await model.list({ limit: 1000 }))
          expect(await storage.stats()).toEqual(await model.stats())
        }
        for (const { sequence } of await model.list({ limit: 1000 })) {
          expect(await storage.read(sequence)).toEqual(await model.read(sequence))
        }
        await storage.close()
      }),
      { numRuns: Number(process.env['MODEL_RUNS'] ?? 300) },
    )
  })
})
