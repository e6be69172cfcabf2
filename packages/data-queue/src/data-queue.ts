import {
  defaultEnvironment,
  openOutbox,
  parseNote,
  type Entry,
  type EntryDraft,
} from '@fhir-outbox/queue-core'
import type { CanaryOptions } from './canaries.js'
import { deliveryWorld, type DeliveryEvent, type DeliveryOptions, type Endpoint } from './destination.js'
import { createDossier, type Dossier } from './dossier.js'
import { checkEncryption, envelopeOf, type Encryption } from './encryption.js'
import { DataQueueError } from './errors.js'
import { decodeHeader, encodeHeader } from './header.js'
import type { ResourceInput } from './json.js'
import { checkKey } from './key.js'
import { unorderedLane } from './lanes.js'
import { linkedHeader, linksOf, unresolvedReference, waitsForMore } from './links.js'
import { checkOptions } from './options.js'
import type { ForcedPlan } from './plan.js'
import { planWrite, readInput, type PlannedWrite, type PlannerOptions, type WriteInput } from './planner.js'
import { planReport } from './report.js'
import type { WriteResult } from './results.js'
import { createSequences } from './sequences.js'
import { fhirTransport } from './transport.js'
import type {
  DataQueue,
  DataQueueEvent,
  DataQueueOptions,
  EncryptedDataQueueOptions,
  Enqueued,
  EnqueueOptions,
  QueuedWrite,
  Waiting,
  WriteOptions,
} from './types.js'
import { awaitResult, identified } from './wait.js'

const defaultWaitMs = 10_000

/**
 * Opens a queue in front of a FHIR server. Nothing is sent before the first write that waits for its outcome,
 * `flush()` or `start()`; then deliveries go on in the background until `stop()` or `close()`.
 * The queue owns the storage from here on: `close()` closes it.
 *
 * Throws `ERR_INVALID_OPTION`. Writes reject with `ERR_INVALID_RESOURCE`, `ERR_INVALID_BUNDLE`, `ERR_INVALID_KEY`,
 * `ERR_UNRESOLVED_REFERENCE`, or what the storage rejects with (`ERR_QUEUE_FULL`, `ERR_STORAGE_FAILED`, …); then nothing was accepted.
 */
export function openDataQueue(options: DataQueueOptions): DataQueue {
  return openQueue(options, undefined)
}

/**
 * As `openDataQueue`; resources that `shouldEncrypt` chooses are sealed before they are stored and go to the
 * encrypted endpoint, the others to the FHIR server, in one order. What must be encrypted and cannot be is
 * refused with `ERR_CANNOT_ENCRYPT`; it never leaves in clear.
 */
export function openEncryptedDataQueue(options: EncryptedDataQueueOptions): DataQueue {
  return openQueue(options, options.encryption)
}

/** One write as callers describe it, before it is planned. */
interface Wanted extends WriteOptions {
  readonly input: WriteInput
}

function openQueue(options: DataQueueOptions, encryption: Encryption | undefined): DataQueue {
  checkOptions(options)
  const { fhir, storage } = options
  const environment = { ...defaultEnvironment(), ...options.environment }
  const { uuid: newKey, setTimer } = environment
  const listeners = new Set<(event: DeliveryEvent) => void>()
  const tell = (event: DeliveryEvent): void => {
    const all = [...listeners]
    for (const listener of all) listener(event)
  }
  const forced = forcedBy(options.plan)
  const endpoints = new Map<string, Endpoint>([[fhir.baseUrl, { client: fhir, takes: 'fhir' }]])
  if (encryption !== undefined) {
    const { client, sealer } = encryption
    checkEncryption(encryption, fhir.baseUrl, storage.supports)
    endpoints.set(client.baseUrl, { client, takes: 'envelopes', sealer })
  }
  const dossier = createDossier({
    client: fhir,
    notes: storage.notes,
    tokens: options.tokens,
    canaries: canariesOf(options.canaries, newKey),
    now: environment.wallClock,
    changed: (changes) => tell({ type: 'evidence-changed', gate: fhir.baseUrl, changes }),
  })
  const delivery: DeliveryOptions = {
    read: (sequence) => storage.read(sequence),
    dossierOf: (gate) =>
      gate === fhir.baseUrl ? dossier : silentDossier(endpoints.get(gate) ?? endpoints.values().next().value),
    tell,
    forced,
    transactions: options.transactions,
    bundle: options.bundle,
    conflict: options.conflict,
    onConflict: options.onConflict,
    searchLagMs: options.searchLagMs,
    uuid: newKey,
    now: environment.wallClock,
  }
  const { bundle } = deliveryWorld(delivery)
  const outbox = openOutbox({
    storage,
    transport: fhirTransport(endpoints, delivery),
    // Several requests a run: each but the first is prepared while one is on its way.
    defaults: { runEntries: 4 * bundle.entries, runBytes: 4 * bundle.bytes, ...options.defaults },
    ...(options.environment === undefined ? {} : { environment: options.environment }),
  })
  const sequences = createSequences((query) => outbox.list(query))
  const planner: PlannerOptions = {
    fhirUrl: fhir.baseUrl,
    forced,
    evidence: () => dossier.current(),
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.lane === undefined ? {} : { lane: options.lane }),
    ...(encryption === undefined ? {} : { encryption: { ...encryption, url: encryption.client.baseUrl } }),
  }
  let stopped = false
  /** Until every call before has been handed to the outbox. */
  let turn: Promise<void> = Promise.resolve()

  async function payloadOf(write: PlannedWrite, key: string): Promise<Uint8Array> {
    const plain = typeof write.body === 'string' ? new TextEncoder().encode(write.body) : write.body
    if (!write.encrypted || encryption === undefined || write.header.seal === true) return plain
    return await envelopeOf(encryption.sealer, plain, { key, destination: write.gate })
  }

  /** An update or delete of what an entry writes goes where that goes. */
  async function laneOf(sequence: number | undefined): Promise<string | undefined> {
    const entry = sequence === undefined ? undefined : await outbox.read(sequence)
    return entry === undefined || decodeHeader(entry.header).ordered === false ? undefined : entry.lane
  }

  async function draftOf({ input, ...write }: Wanted): Promise<EntryDraft> {
    const key = checkKey(write.key ?? newKey())
    // By the resource as it was given: its subject keeps its lane when it gets an id in the meantime.
    const lane =
      write.lane ??
      ('of' in input ? await laneOf(input.of) : undefined) ??
      ('resource' in input ? options.lane?.(input.resource, { key }) : undefined)
    const links =
      'resource' in input ? await linksOf(input.resource, outbox, sequences) : new Map<string, number>()
    const planned = planWrite(input, key, planner, { ...write, lane })
    if (planned.encrypted && planned.header.seal !== true && links.size > 0) {
      throw unresolvedReference(
        'What is to be encrypted refers to an entry that is not delivered yet, and cannot be changed later.',
        'Wait for that entry, or refer to something that is at the server.',
      )
    }
    const payload = await payloadOf(planned, key)
    const { header, after } = linkedHeader(planned.header, payload, links)
    const all = new Set([...(write.after ?? []), ...after])
    return {
      lane: write.ordered === false ? unorderedLane(planned.lane, key) : planned.lane,
      key,
      gate: planned.gate,
      header: encodeHeader(header),
      payload,
      once: write.once ?? false,
      ...(all.size === 0 ? {} : { after: [...all] }),
    }
  }

  function wantedOf({ resource, transaction = false, ...write }: QueuedWrite): Wanted {
    return { ...write, input: readInput(resource, transaction, write.of) }
  }

  /** A correction brings new content to the same write: what it updates, and under which condition, stays. */
  function correctionOf(entry: Entry | undefined, resource: ResourceInput): Wanted {
    if (entry === undefined) return { input: readInput(resource, false) }
    const { key } = entry
    const { entries, of, headers, conflict, ordered, resourceType } = decodeHeader(entry.header)
    const input = readInput(resource, entries !== undefined, of)
    const runs = encryption?.receiverRunsTransactions === true && resourceType === undefined
    if (runs && 'resource' in input && input.resource['type'] === 'transaction')
      return { key, input: { kind: 'transaction', resource: input.resource } }
    const { 'If-Match': ifMatch } = headers
    return {
      key,
      input,
      ...(ifMatch === undefined ? {} : { ifMatch }),
      ...(conflict === undefined ? {} : { conflict }),
      ...(ordered === undefined ? {} : { ordered }),
    }
  }

  async function draftsOf(wanted: readonly Wanted[]): Promise<readonly EntryDraft[]> {
    const drafts: EntryDraft[] = []
    for (const one of wanted) drafts.push(await draftOf(one))
    return drafts
  }

  async function append(
    wanted: readonly Wanted[],
    signal: AbortSignal | undefined,
  ): Promise<readonly (Enqueued & { readonly gate: string })[]> {
    signal?.throwIfAborted()
    // Some drafts take longer than others; entries are numbered in the order of the calls. Nobody waits for a commit.
    const handed = Promise.all([draftsOf(wanted), turn]).then(([drafts]) => {
      signal?.throwIfAborted()
      return { drafts, appending: outbox.enqueue(drafts) }
    })
    turn = Promise.allSettled([turn, handed]).then(() => undefined)
    const { drafts, appending } = await handed
    const appended = await appending
    return appended.map(({ sequence, duplicate }, index) => {
      const { key = '', gate = '' } = drafts[index] ?? {}
      sequences.remember(key, sequence)
      return { ...identified(sequence, key), duplicate, gate }
    })
  }

  async function enqueueAll(
    writes: readonly QueuedWrite[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly Enqueued[]> {
    const appended = await append(writes.map(wantedOf), signal)
    return appended.map(({ gate: _gate, ...enqueued }) => enqueued)
  }

  async function enqueue(
    resource: ResourceInput,
    { signal, ...write }: EnqueueOptions = {},
  ): Promise<Enqueued> {
    const [enqueued] = await enqueueAll([{ resource, ...write }], signal === undefined ? {} : { signal })
    if (enqueued === undefined) throw new TypeError('The storage answered no sequence.')
    return enqueued
  }

  async function writeAndWait(
    wanted: Wanted,
    { wait = defaultWaitMs, signal }: Waiting,
  ): Promise<WriteResult> {
    const [enqueued] = await append([wanted], signal)
    if (enqueued === undefined) throw new TypeError('The storage answered no sequence.')
    const { sequence, key, gate } = enqueued
    if (wait === 0 || stopped) return { state: 'queued', ...identified(sequence, key) }
    outbox.start()
    const waiting = { waitMs: wait, setTimer, ...(signal === undefined ? {} : { signal }) }
    return awaitResult(outbox, { sequence, key, gate }, waiting)
  }

  const write = async (
    resource: ResourceInput,
    one: WriteOptions & Waiting,
    transaction: boolean,
  ): Promise<WriteResult> => writeAndWait(wantedOf({ ...one, resource, transaction }), one)

  return {
    create: (resource, one = {}) => write(resource, one, false),
    update: (resource, one = {}) => write(resource, one, false),
    transaction: (bundle, one = {}) => write(bundle, one, true),
    async delete(type, target, one = {}) {
      const input: WriteInput =
        typeof target === 'string'
          ? { kind: 'delete', type, id: target }
          : { kind: 'delete', type, of: target.of }
      const after = typeof target === 'string' ? one.after : [...(one.after ?? []), target.of]
      return writeAndWait({ ...one, input, ...(after === undefined ? {} : { after }) }, one)
    },
    binary: async (bytes, contentType, one = {}) =>
      writeAndWait({ ...one, input: { kind: 'bytes', bytes, contentType } }, one),
    enqueue,
    enqueueAll,
    async preview(resource, { transaction = false, key, of, ...details } = {}) {
      await dossier.load()
      const input = readInput(resource, transaction, of)
      const chosen = checkKey(key ?? newKey())
      const lane = details.lane ?? (await laneOf(of))
      const planned = planWrite(input, chosen, planner, { ...details, lane })
      const { name } = planned.plan
      const { resourceType: type, place } = planned.header
      const puts = place !== undefined && (name === 'put-client-id' || name === 'put-if-none-match')
      const path = puts ? `${type}/${chosen}` : planned.header.path
      return {
        method: puts ? 'PUT' : planned.header.method,
        url: path === '' ? planned.gate : `${planned.gate}/${path}`,
        plan: planned.plan,
        lane: planned.lane,
        encrypted: planned.encrypted,
      }
    },
    async plan(types, { refresh = false } = {}) {
      const evidence = refresh ? await dossier.refresh() : await dossier.consult()
      const { key: keyMode, transactions } = options
      return planReport(fhir.baseUrl, evidence, { types, keyMode, forced, transactions })
    },
    read: (type, id) => fhir.read(type, id),
    search: (type, params = {}) => fhir.search(type, params),
    flush: (flushOptions) => outbox.flush(flushOptions),
    stats: () => outbox.stats(),
    start() {
      stopped = false
      outbox.start()
    },
    async stop(stopOptions) {
      stopped = true
      await outbox.stop(stopOptions)
    },
    close: () => outbox.close(),
    subscribe(listener: (event: DataQueueEvent) => void) {
      const own = (event: DeliveryEvent): void => listener(event)
      const unsubscribe = outbox.subscribe(listener)
      listeners.add(own)
      return () => {
        listeners.delete(own)
        unsubscribe()
      }
    },
    async receipt(sequence) {
      const note = parseNote((await outbox.read(sequence))?.note)
      return note?.kind === 'receipt' ? note.receipt : undefined
    },
    deadLetters: () => outbox.list({ state: 'dead' }),
    async redrive(sequence, { resource, ...by }) {
      if (resource === undefined) return outbox.redrive(sequence, by)
      const entry = await outbox.read(sequence)
      const draft = await draftOf(correctionOf(entry, resource))
      if (entry !== undefined && entry.gate !== draft.gate) throw otherEndpoint()
      if (entry !== undefined && waitsForMore(entry, draft)) {
        throw unresolvedReference(
          'The correction refers to an entry that is not delivered yet, which the dead letter did not wait for.',
          'Correct it when that entry is delivered; or discard it and queue the corrected resource as a new one.',
        )
      }
      await outbox.redrive(sequence, { ...by, payload: draft.payload, header: draft.header })
    },
    discard: (sequence, by) => outbox.discard(sequence, by),
    assumeDelivered: (sequence, by) => outbox.assumeDelivered(sequence, by),
    outbox,
  }
}

function canariesOf(canaries: DataQueueOptions['canaries'], uuid: () => string): CanaryOptions | undefined {
  if (canaries === undefined) return undefined
  return canaries === true ? { uuid } : { uuid, ...canaries }
}

/** The encrypted endpoint is never asked: what its receiver does was declared. */
function silentDossier(endpoint: Endpoint | undefined): Dossier {
  if (endpoint === undefined) throw new TypeError('A queue has an endpoint.')
  return createDossier({ client: endpoint.client, notes: undefined, now: () => 0, changed: () => undefined })
}

function forcedBy(plan: DataQueueOptions['plan']): (type: string) => ForcedPlan | undefined {
  return typeof plan === 'function' ? plan : () => plan
}

/** An entry keeps its endpoint: what was to be encrypted must not go on in clear, or the other way round. */
function otherEndpoint(): DataQueueError {
  return new DataQueueError(
    'ERR_CANNOT_ENCRYPT',
    'The corrected resource belongs to another endpoint than the entry was queued for.',
    { hint: 'Discard the dead letter and queue the corrected resource as a new one.' },
  )
}
