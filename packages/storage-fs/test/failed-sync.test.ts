import { describe, expect, it } from 'vitest'
import { openFsStorage } from '../src/index.js'
import { simulatedDisk } from './support/simulated-disk.js'
import { bytes, draft, states, take, text } from './support/tools.js'

const directory = '/q'
// Small, so that some of the writes go into prepared space.
const segmentBytes = 2048

/*
 * After a failed sync the kernel takes what it could not write for clean: every process still reads it, a second sync
 * has nothing to do and succeeds, and the next power cut shows that it was never on the disk.
 */
describe('what a failed sync left in the cache', () => {
  for (const operation of ['datasync', 'write']) {
    it(`is written again before anything is built on it (${operation})`, async () => {
      let struck = 0
      let kept = 0
      for (let nth = 1; ; nth++) {
        const what = `${operation} ${nth}`
        const disk = simulatedDisk()
        disk.fail({ operation, nth, code: 'EIO' })
        try {
          const first = await openFsStorage({ directory, fs: disk.port(), segmentBytes })
          for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
            await first.append([draft(key, { once: true, payload: new Uint8Array(150).fill(7) })])
          }
          const lease = await take(first, { limit: 1 })
          await first.mark(lease, [{ sequence: 1, group: 'g' }])
          await first.close()
        } catch {
          // The process ends, or opens it again.
        }
        if (!disk.struck) break
        struck++
        disk.fail(undefined)
        disk.crash('process')
        const second = await openFsStorage({ directory, fs: disk.port(), segmentBytes })
        const seen = await states(second)
        // The caller was told that it had failed and tries again; `duplicate` says that it is as safe as any other.
        for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
          const [answer] = await second.append([draft(key, { once: true, payload: bytes('retried') })])
          if (answer?.duplicate === true) kept++
        }
        disk.crash('power')
        const third = await openFsStorage({ directory, fs: disk.port(), segmentBytes })
        expect(third.recovery, what).toMatchObject({ quarantined: [], doubtful: [] })
        const found = await states(third)
        expect(Object.keys(found).sort(), what).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
        for (const [key, state] of Object.entries(seen)) expect(found[key], what).toBe(state)
        const left = await take(third)
        for (const { payload } of left.entries)
          expect([150, 7], `${what}: ${text(payload)}`).toContain(payload.length)
        await third.close()
      }
      expect(struck).toBeGreaterThan(5)
      // Control: there was something in the cache to be taken for durable.
      expect(kept).toBeGreaterThan(5)
    })
  }
})
