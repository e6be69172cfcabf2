// The victim: several callers enqueue as fast as they can while the outbox delivers; killed at any instant.
// argv: directory, port, lanes and first numbers as JSON, mode ("work" or "drain").
import { randomUUID } from 'node:crypto'
import { writeSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { openOutbox, type LeasedEntry, type Outcome, type Transport } from '@fhir-outbox/queue-core'
import { openFsStorage } from '@fhir-outbox/storage-fs'
import type { ModelWrite } from './server.js'

const [directory = '', port = '', starts = '{}', mode = 'work'] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true })

/** One line to the parent, in one write, so that it is there or not there when the process dies. */
function tell(line: string): void {
  writeSync(1, `${line}\n`)
}

function call(method: string, path: string, body?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port: Number(port), method, path, agent }, (incoming) => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (chunk: string) => {
        text += chunk
      })
      incoming.on('end', () => resolve(text))
      incoming.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

const writeOf = (entry: LeasedEntry): ModelWrite =>
  JSON.parse(new TextDecoder().decode(entry.payload)) as ModelWrite
const delivered = ({ sequence }: LeasedEntry): Outcome => ({
  sequence,
  kind: 'delivered',
  receipt: { status: 200 },
})

async function post(entries: readonly LeasedEntry[]): Promise<readonly Outcome[]> {
  try {
    await call('POST', '/', JSON.stringify(entries.map(writeOf)))
    return entries.map(delivered)
  } catch {
    const failure = { code: 'ERR_NETWORK', message: 'The reply was lost.' }
    return entries.map(({ sequence }) => ({ sequence, kind: 'unknown', failure, spent: true }))
  }
}

const transport: Transport = {
  async *deliver(entries, context) {
    await context.mark(entries.map(({ sequence }) => sequence))
    yield await post(entries)
  },
  /** A guarded write is simply repeated; an unguarded one is asked about first. */
  async *resolve(entries, context) {
    for (const entry of entries) {
      const write = writeOf(entry)
      const found = write.guarded ? '' : await call('GET', `/?key=${write.key}`)
      if (!write.guarded && (JSON.parse(found) as { applied: boolean }).applied) {
        yield [delivered(entry)]
        continue
      }
      await context.mark([entry.sequence])
      const outcome = await post([entry])
      yield outcome
      if (outcome.some(({ kind }) => kind === 'unknown')) return
    }
  },
}

const quick = { baseMs: 1, capMs: 20 }
const storage = await openFsStorage({ directory, segmentBytes: 64 * 1024, limits: { freeDiskBytes: 0 } })
const outbox = openOutbox({
  storage,
  transport,
  defaults: { laneBackoff: quick, gateBackoff: quick, unknownFirstMs: 1, runEntries: 8 },
})

if (mode === 'drain') {
  while ((await outbox.stats()).waiting > 0) await outbox.flush()
  const { accepted, waiting, delivered: done, dead, discarded, quarantined } = await outbox.stats()
  tell(JSON.stringify({ drained: { accepted, waiting, delivered: done, dead, discarded, quarantined } }))
  await outbox.close()
  agent.destroy()
} else {
  outbox.start()
  tell('{"ready":true}')
  await Promise.all(
    Object.entries(JSON.parse(starts) as Record<string, number>).map(([lane, from]) => fill(lane, from)),
  )
}

/** Two callers per lane would race for positions; one caller per lane, many lanes, keeps the order checkable. */
async function fill(lane: string, from: number): Promise<never> {
  for (let n = from; ; n += 1) {
    const write: ModelWrite = { key: randomUUID(), lane, n, guarded: n % 3 !== 0 }
    tell(JSON.stringify({ asked: write }))
    await outbox.enqueue({
      lane,
      key: write.key,
      gate: 'model',
      header: new Uint8Array(),
      payload: new TextEncoder().encode(JSON.stringify({ ...write, padding: 'x'.repeat((n * 37) % 900) })),
    })
    tell(JSON.stringify({ accepted: write.key }))
  }
}
