import type { DeliveryContext, LeasedEntry, Outcome, Transport } from '@fhir-outbox/queue-core'
import {
  deliveryWorld,
  type DeliveryOptions,
  type Destination,
  type Endpoint,
  type Item,
} from './destination.js'
import { createDossier } from './dossier.js'
import { headerReader, type EntryHeader } from './header.js'
import { resolveRun } from './resolve.js'
import { sendRun } from './send-parcel.js'

/** The endpoints of a queue by gate, which is their base URL. */
export type Endpoints = ReadonlyMap<string, Endpoint>

/**
 * Delivers entries to FHIR servers: decides how when they leave, by what is known of the server, puts as many into
 * one request as may travel together, and finds out what became of requests without an answer.
 */
export function fhirTransport(endpoints: Endpoints, options: DeliveryOptions = {}): Transport {
  const world = deliveryWorld(options)
  const destinations = new Map<string, Destination>()
  const readHeader = headerReader()

  function destinationOf(gate: string): Destination | undefined {
    const known = destinations.get(gate)
    const endpoint = endpoints.get(gate)
    if (known !== undefined || endpoint === undefined) return known
    const dossier =
      options.dossierOf?.(gate) ??
      createDossier({
        client: endpoint.client,
        notes: undefined,
        now: () => Date.now(),
        changed: (changes) => world.tell({ type: 'evidence-changed', gate, changes }),
      })
    const seen = { doubtful: false, forbidden: 0, worked: false, plainJson: false }
    const fresh: Destination = { gate, endpoint, dossier, seen }
    destinations.set(gate, fresh)
    return fresh
  }

  async function* converse(
    entries: readonly LeasedEntry[],
    context: DeliveryContext,
    work: (destination: Destination, items: readonly Item[]) => AsyncGenerator<readonly Outcome[], unknown>,
  ): AsyncGenerator<readonly Outcome[]> {
    const destination = destinationOf(context.gate)
    const [first] = entries
    if (first === undefined) return
    if (destination === undefined) {
      yield [foreignGate(first, context.gate)]
      return
    }
    const items = readItems(entries, readHeader)
    if ('kind' in items) {
      yield [items]
      return
    }
    if (destination.endpoint.takes === 'fhir') await destination.dossier.consult(context.signal)
    yield* work(destination, items)
  }

  return {
    deliver: (entries, context) =>
      converse(entries, context, (destination, items) => sendRun(world, destination, items, context)),
    resolve: (entries, context) =>
      converse(entries, context, (destination, items) => resolveRun(world, destination, items, context)),
  }
}

/** The entries before one that cannot be read; or what becomes of that one, when it is the first. */
function readItems(
  entries: readonly LeasedEntry[],
  readHeader: (bytes: Uint8Array) => EntryHeader,
): readonly Item[] | Outcome {
  const items: Item[] = []
  for (const entry of entries) {
    try {
      items.push({ entry, header: readHeader(entry.header) })
    } catch {
      if (items.length > 0) return items
      const message = 'The header of the entry is not of a format known here.'
      return { sequence: entry.sequence, kind: 'rejected', failure: { code: 'ERR_ENTRY_FORMAT', message } }
    }
  }
  return items
}

/** An entry that was queued for another server never goes to this one. */
function foreignGate({ sequence, state }: LeasedEntry, gate: string): Outcome {
  const message = `The entry was queued for ${gate}, which this queue was not opened for.`
  const failure = { code: 'ERR_INVALID_URL', message }
  return {
    sequence,
    kind: state === 'unknown' ? 'unknown' : 'not-sent',
    failure,
    closesGate: { failure, needsPerson: true },
  }
}
