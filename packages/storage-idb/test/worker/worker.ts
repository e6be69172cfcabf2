import { openOutbox, type DeliveryContext, type LeasedEntry, type Outcome } from '@fhir-outbox/queue-core'
import { openIdbStorage } from '../../src/index.js'
import { deliverInBackground } from '../../src/service-worker/index.js'
import { database } from './messages.js'

/** A service worker that delivers by real requests: each a PUT under the key, which may be repeated. */
async function* send(
  entries: readonly LeasedEntry[],
  { gate, mark, signal }: DeliveryContext,
): AsyncIterable<readonly Outcome[]> {
  for (const { sequence, key, payload } of entries) {
    await mark([sequence])
    try {
      const { status } = await fetch(`${gate}/Observation/${key}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/fhir+json' },
        body: payload.slice(),
        signal,
      })
      yield [{ sequence, kind: 'delivered', receipt: { status } }]
    } catch {
      const failure = { code: 'ERR_NETWORK', message: 'no answer' }
      yield [{ sequence, kind: 'unknown', failure, closesGate: { failure } }]
      return
    }
  }
}

deliverInBackground({
  open: async () =>
    openOutbox({
      storage: await openIdbStorage({ name: database }),
      transport: { deliver: send, resolve: send },
      defaults: { unknownFirstMs: 0 },
    }),
})
