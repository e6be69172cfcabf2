import { openOutbox, type DeliveryContext, type LeasedEntry, type Outcome } from '@fhir-outbox/queue-core'
import { openIdbStorage } from '../../src/index.js'
import { ordersOf, reportsOf, type Order, type Report } from './messages.js'

/** One tab: a whole outbox over the shared database. Its name and that of the database are in the address. */
const [database = '', name = ''] = location.hash.slice(1).split('/')
const reports = new BroadcastChannel(reportsOf(database))
let hanging = false

function report(message: Report): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
  reports.postMessage(message)
}

async function* send(
  did: 'delivered' | 'resolved',
  entries: readonly LeasedEntry[],
  context: DeliveryContext,
): AsyncIterable<readonly Outcome[]> {
  for (const { sequence } of entries) {
    await context.mark([sequence])
    if (hanging) {
      report({ from: name, did: 'hung', lane: context.lane, sequences: [sequence] })
      await new Promise(() => undefined)
    }
    report({ from: name, did, lane: context.lane, sequences: [sequence] })
    yield [{ sequence, kind: 'delivered', receipt: { status: 201 } }]
  }
}

const storage = await openIdbStorage({ name: database })
storage.subscribe(({ type }) => report({ from: name, did: type }))
const outbox = openOutbox({
  storage,
  transport: {
    deliver: (entries, context) => send('delivered', entries, context),
    resolve: (entries, context) => send('resolved', entries, context),
  },
  defaults: { runEntries: 4 },
})
outbox.start()

async function append(lane: string, count: number): Promise<void> {
  const bytes = new TextEncoder().encode(`from ${name}`)
  for (let number = 0; number < count; number++) {
    const draft = { lane, gate: 'server', key: crypto.randomUUID(), header: bytes, payload: bytes }
    const { sequence } = await outbox.enqueue(draft)
    report({ from: name, did: 'appended', sequence })
  }
}

new BroadcastChannel(ordersOf(database)).addEventListener('message', ({ data }: MessageEvent<Order>) => {
  if (data.to !== name) return
  if (data.do === 'hang') hanging = true
  else void append(data.lane, data.count)
})
report({ from: name, did: 'opened' })
