import type { DeliveryContext, LeasedEntry, Outcome, ReceiptBody, Transport } from '@fhir-outbox/queue-core'
import type { FhirClient, FhirResponse } from '@fhir-outbox/fhir-client'
import { classify, outcomeOf } from './classify.js'
import { decodeHeader, type EntryHeader } from './header.js'
import { isObject } from './json.js'
import { transactionOutcome } from './transaction-outcome.js'

/** One place a queue delivers to. */
export interface Endpoint {
  readonly client: FhirClient
  /** `envelopes`: the C3-PRO endpoint, which answers with an empty body. */
  readonly takes: 'fhir' | 'envelopes'
}

/** The endpoints of a queue by gate, which is their base URL. */
export type Endpoints = ReadonlyMap<string, Endpoint>

/** The body of a transaction has time for its many entries. */
const bundleTimeoutMs = 60_000

/**
 * Sends entries one request at a time, in order, and stops at the first that is not settled. Every plan of
 * this package makes a repetition harmless (or says that it does not), so an unknown entry is resolved by
 * sending it again.
 */
export function fhirTransport(endpoints: Endpoints): Transport {
  async function* send(
    entries: readonly LeasedEntry[],
    context: DeliveryContext,
  ): AsyncGenerator<readonly Outcome[]> {
    for (const entry of entries) {
      const outcome = await sendOne(endpoints, entry, context)
      yield [outcome]
      if (outcome.kind === 'not-sent' || outcome.kind === 'unknown') return
    }
  }
  return { deliver: send, resolve: send }
}

async function sendOne(endpoints: Endpoints, entry: LeasedEntry, context: DeliveryContext): Promise<Outcome> {
  const wasUnknown = entry.state === 'unknown'
  try {
    const header = decodeHeader(entry.header)
    const endpoint = endpoints.get(context.gate)
    if (endpoint === undefined) throw foreignGate(context.gate)
    await context.mark([entry.sequence], { plan: header.plan })
    const response = await endpoint.client.request({
      method: header.method,
      path: header.path,
      headers: requestHeaders(header, endpoint),
      body: entry.payload,
      expect: endpoint.takes === 'fhir' ? 'fhir' : 'any',
      signal: context.signal,
      ...(header.entries === undefined ? {} : { timeoutMs: bundleTimeoutMs }),
    })
    if (header.entries !== undefined) return transactionOutcome(entry, header.entries, response)
    return { sequence: entry.sequence, kind: 'delivered', receipt: receiptOf(header, response, wasUnknown) }
  } catch (error) {
    // The outbox stops or lost the lease: it decides from the mark, not from us.
    if (context.signal.aborted) throw error
    const verdict = classify(error)
    return verdict.kind === 'applied'
      ? { sequence: entry.sequence, kind: 'delivered', receipt: verdict.receipt }
      : outcomeOf(verdict, entry, wasUnknown)
  }
}

/** An entry that was queued for another server never goes to this one. */
function foreignGate(gate: string): Error {
  const error = new Error(`The entry was queued for ${gate}, which this queue was not opened for.`)
  return Object.assign(error, { code: 'ERR_INVALID_URL' })
}

function requestHeaders(header: EntryHeader, endpoint: Endpoint): Record<string, string> {
  return endpoint.takes === 'fhir'
    ? { 'Content-Type': 'application/fhir+json', Prefer: 'return=minimal', ...header.headers }
    : { 'Content-Type': 'application/json', ...header.headers }
}

function receiptOf(header: EntryHeader, response: FhirResponse, wasUnknown: boolean): ReceiptBody {
  const address = addressOf(header, response)
  const version = response.version ?? response.location?.version
  // 200 to a conditional create: the server had it already, from a request of ours whose answer got lost.
  const found = header.plan === 'conditional-create' && response.status === 200
  return {
    status: response.status,
    ...(address === undefined ? {} : { id: address }),
    ...(version === undefined ? {} : { version }),
    plan: header.plan,
    ...(found || wasUnknown ? { askedAgain: true } : {}),
    ...(found ? { alreadyThere: true } : {}),
  }
}

function addressOf(header: EntryHeader, response: FhirResponse): string | undefined {
  if (header.resourceType === undefined) return undefined
  if (header.method === 'PUT') return header.path
  const { location, resource } = response
  if (location !== undefined) return `${location.type}/${location.id}`
  if (isObject(resource) && typeof resource['id'] === 'string') {
    return `${String(resource['resourceType'])}/${resource['id']}`
  }
  return undefined
}
