import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { keyTable, laneIndex, type KeyTable, type LaneIndex } from '@fhir-outbox/queue-core'

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

function usedBytes(): number {
  if (typeof collect !== 'function') throw new Error('this Node cannot collect garbage on demand')
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const entries = 1_000_000

interface Waiting {
  readonly index: LaneIndex
  readonly keys: KeyTable
}

/** What a storage with its records on disk keeps in memory: the index and the hashes of the keys. */
function waiting(laneCount: number): Waiting {
  const index = laneIndex({ owner: 'test' })
  const keys = keyTable()
  for (let sequence = 1; sequence <= entries; sequence++) {
    // Records of about 1.2 KB, in segments of 16 MB, a thousand a second.
    const payloadBytes = 1000 + (sequence % 400)
    const location = Math.floor(sequence / 13_000) * 2 ** 32 + (sequence % 13_000) * 1290
    const lane = `Patient/${sequence % laneCount}`
    index.add(
      { sequence, lane, gate: 'https://fhir.example.org', payloadBytes, appendedAt: sequence, location },
      sequence,
    )
    keys.add(`key-${sequence}`, sequence)
  }
  return { index, keys }
}

describe('memory of a million waiting entries, index and keys together', () => {
  it.each([
    [1, 20],
    [100_000, 36],
  ])('with %i lanes is at most %i bytes each', (laneCount, limit) => {
    const before = usedBytes()
    const { index, keys } = waiting(laneCount)
    const bytes = (usedBytes() - before) / entries
    // Used after the measurement, or it would have been collected before.
    expect(index.stats(entries).waiting).toBe(entries)
    expect(keys.candidates('key-777')).toContain(777)
    console.log(`${laneCount} lanes: ${bytes.toFixed(1)} bytes per waiting entry (limit ${limit})`)
    expect(bytes).toBeLessThanOrEqual(limit)
  })
})
