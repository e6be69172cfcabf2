import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseNote, type Receipt } from '@fhir-outbox/queue-core'
import { world, type World } from './world.js'

async function receiptOf(w: World, sequence: number): Promise<Receipt> {
  const note = parseNote((await w.outbox.read(sequence))?.note)
  if (note?.kind !== 'receipt') throw new Error('no receipt')
  return note.receipt
}

async function bytesOf(w: World, sequence: number): Promise<Uint8Array> {
  const note = (await w.outbox.read(sequence))?.note
  if (note === undefined) throw new Error('no note')
  return note
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('receipts', () => {
  it('hash contents of any size, and name the one before in the lane', async () => {
    const w = world({ defaults: { runBytes: 2 ** 30 } })
    const payloads = [0, 1, 55, 56, 64, 65_535, 65_536, 1_000_001].map((length) =>
      Uint8Array.from({ length }, (_, at) => (at * 7) & 0xff),
    )
    const sequences: number[] = []
    for (const payload of payloads) sequences.push(await w.add({ payload }))
    const other = await w.add({ lane: 'other' })
    await w.outbox.flush()
    let previous: string | undefined
    for (const [at, sequence] of sequences.entries()) {
      const receipt = await receiptOf(w, sequence)
      expect(receipt.contentSha256).toBe(sha256(payloads[at] ?? new Uint8Array(1)))
      expect(receipt.previous).toBe(previous)
      previous = sha256(await bytesOf(w, sequence))
    }
    expect(await receiptOf(w, other)).not.toHaveProperty('previous')
    await w.outbox.close()
  })

  it('are not made when nobody wants them, and failures are still explained', async () => {
    const w = world({ receipts: false })
    const failure = { code: 'ERR_REFUSED', message: 'no' }
    w.answer = async function* (entries) {
      for (const { sequence } of entries) {
        yield sequence === 2
          ? [{ sequence, kind: 'rejected' as const, failure }]
          : [{ sequence, kind: 'delivered' as const, receipt: { status: 201 } }]
      }
    }
    await w.add()
    await w.add()
    await w.add()
    expect(await w.outbox.flush()).toMatchObject({ delivered: 2, dead: 1 })
    expect((await w.outbox.read(1))?.note).toBeUndefined()
    expect(await w.outbox.settled(3)).toEqual({ state: 'delivered' })
    expect(await w.outbox.settled(2)).toMatchObject({ state: 'dead', failure })
    await w.add()
    const lease = await w.storage.lease({ limit: 1, maxBytes: 1, ttlMs: 1, closedGates: [] })
    expect(lease).not.toHaveProperty('lastReceiptHash')
    await w.outbox.close()
  })
})
