// Runs in a process of its own and is killed at a random instant. It prints what it was promised, one JSON
// line each, after the promise was made: the parent keeps the books.
import { writeSync } from 'node:fs'
import { isLease } from '@fhir-outbox/queue-core'
import { openFsStorage } from '../../src/index.js'

const [directory = '', run = ''] = process.argv.slice(2)
const say = (line: Record<string, unknown>): void => {
  writeSync(1, `${JSON.stringify(line)}\n`)
}
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)

const storage = await openFsStorage({ directory, segmentBytes: 16 * 1024, receipts: { maxCount: 100_000 } })
say({ opened: storage.recovery })

async function appender(name: string): Promise<void> {
  for (let count = 0; ; count++) {
    const keys = Array.from({ length: 1 + (count % 3) }, (_, at) => `${run}-${name}-${count}-${at}`)
    const appended = await storage.append(
      keys.map((key) => ({
        lane: name,
        gate: 'gate',
        key,
        header: bytes(key),
        payload: bytes(`${key}:${'x'.repeat((count * 37) % 900)}`),
      })),
    )
    say({ accepted: appended.map(({ sequence }, at) => [sequence, keys[at]]) })
  }
}

async function drainer(): Promise<void> {
  for (let turn = 0; ; turn++) {
    const lease = await storage.lease({ limit: 20, maxBytes: 1e6, ttlMs: 60_000, closedGates: [] })
    if (!isLease(lease)) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      continue
    }
    const marks = lease.entries.map(({ sequence }) => ({ sequence, group: `${run}-${turn}` }))
    await storage.mark(lease, marks)
    // From here on the "server" has them.
    say({ sent: lease.entries.map(({ sequence, key, state }) => [sequence, key, state]) })
    await storage.settle(
      lease,
      lease.entries.map(({ sequence, key }) => ({
        sequence,
        outcome: 'delivered',
        note: bytes(`receipt ${key}`),
      })),
    )
  }
}

await Promise.all([appender('a'), appender('b'), appender('c'), drainer()])
