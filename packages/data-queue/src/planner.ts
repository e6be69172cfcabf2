import { planOfHeader } from './destination.js'
import { DataQueueError } from './errors.js'
import type { Encryption } from './encryption.js'
import { noEvidence, type Evidence } from './evidence.js'
import type { ConflictPolicy, EntryHeader } from './header.js'
import { isObject, readJson, type JsonObject, type ResourceInput } from './json.js'
import { choosePlan, type ForcedPlan, type KeyMode, type Plan } from './plan.js'
import { checkId, checkType, resourceWrite, transactionWrite, type Write } from './write.js'

/** What the planner needs to know about a queue. */
export interface PlannerOptions {
  /** Base URL of the FHIR server: gate and default lane of everything that is not encrypted. */
  readonly fhirUrl: string
  /** How created resources are marked. Default `'identifier'`. */
  readonly key?: KeyMode
  /** The lane of a resource. Default: the FHIR server, so that everything keeps its order of creation. */
  readonly lane?: (resource: JsonObject, about: { readonly key: string }) => string
  readonly encryption?: Omit<Encryption, 'client' | 'sealer'> & { readonly url: string }
  /** A plan that was asked for. */
  readonly forced?: (type: string) => ForcedPlan | undefined
  /** What is known of the server so far. */
  readonly evidence?: () => Evidence
}

/** One thing to be written. */
export type WriteInput =
  | { readonly kind: 'resource'; readonly resource: JsonObject; readonly of?: number }
  | { readonly kind: 'transaction'; readonly resource: JsonObject }
  | { readonly kind: 'delete'; readonly type: string; readonly id: string }
  | { readonly kind: 'delete'; readonly type: string; readonly of: number }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly contentType: string }

/** What the caller says besides. */
export interface WriteDetails {
  readonly ifMatch?: string | undefined
  readonly conflict?: ConflictPolicy | undefined
  readonly ordered?: boolean | undefined
  /** Overrides the lane of the resource. */
  readonly lane?: string | undefined
}

/** One write with everything decided that does not depend on the server. */
export interface PlannedWrite {
  readonly gate: string
  readonly lane: string
  readonly encrypted: boolean
  /** As it looks now; what is known when it leaves decides. */
  readonly plan: Plan
  readonly header: EntryHeader
  /** What travels, or is sealed when `encrypted`. */
  readonly body: string | Uint8Array
}

/** Reads what a caller passed. @throws DataQueueError `ERR_INVALID_RESOURCE` */
export function readInput(resource: ResourceInput, transaction: boolean, of?: number): WriteInput {
  const value = readJson(resource)
  if (transaction) return { kind: 'transaction', resource: value }
  return { kind: 'resource', resource: value, ...(of === undefined ? {} : { of }) }
}

/**
 * Decides how a write travels. Nothing is stored or sent.
 * @throws DataQueueError `ERR_INVALID_RESOURCE`, `ERR_INVALID_BUNDLE`, `ERR_CANNOT_ENCRYPT`
 */
export function planWrite(
  input: WriteInput,
  key: string,
  options: PlannerOptions,
  details: WriteDetails = {},
): PlannedWrite {
  const resource = 'resource' in input ? input.resource : shownFor(input)
  const lane = details.lane ?? options.lane?.(resource, { key }) ?? options.fhirUrl
  const { encryption } = options
  if (encryption !== undefined && mustEncrypt(input, encryption)) {
    const { body, path, doubtful }: Write =
      input.kind === 'transaction'
        ? transactionWrite(resource, key, 'identifier')
        : resourceWrite(resource, key, 'identifier')
    const receiver = encryption.receiver ?? 'keeps-everything'
    const plan = choosePlan({
      interaction: 'create',
      encryptedFor: doubtful === undefined ? receiver : 'keeps-everything',
    })
    const header: EntryHeader = {
      method: 'POST',
      path: encryption.typeInPath === true ? path : '',
      headers: {},
      plan: plan.name,
      fixed: true,
      ...(encryption.sealAt === 'send' ? { seal: true } : {}),
    }
    return { gate: encryption.url, lane, encrypted: true, plan, header, body }
  }
  const keyMode = options.key ?? 'identifier'
  const { body, ...write } = writeOf(input, key, keyMode)
  const forced = options.forced?.(write.resourceType)
  const { ifMatch, conflict, ordered } = details
  const bare: EntryHeader = { ...write, plan: 'at-least-once' }
  const plan = planOfHeader(bare, key, options.evidence?.() ?? noEvidence, forced)
  const header: EntryHeader = {
    ...bare,
    headers: { ...write.headers, ...(ifMatch === undefined ? {} : { 'If-Match': tagOf(ifMatch) }) },
    plan: plan.name,
    ...(forced === undefined || write.place === undefined ? {} : { plan: forced, fixed: true }),
    ...(conflict === undefined ? {} : { conflict }),
    ...(ordered === false ? { ordered } : {}),
  }
  return { gate: options.fhirUrl, lane, encrypted: false, plan, header, body }
}

type WriteWithBody = Omit<Write, 'body'> & { readonly body: string | Uint8Array }

function writeOf(input: WriteInput, key: string, keyMode: KeyMode): WriteWithBody {
  switch (input.kind) {
    case 'transaction':
      return transactionWrite(input.resource, key, keyMode)
    case 'resource':
      return resourceWrite(input.resource, key, keyMode, input.of)
    case 'delete': {
      const resourceType = checkType(input.type)
      const shared = { method: 'DELETE', headers: {}, body: '', resourceType } as const
      return 'of' in input
        ? { ...shared, path: resourceType, of: input.of }
        : { ...shared, path: `${resourceType}/${checkId(input.id, resourceType)}` }
    }
    case 'bytes': {
      const { bytes: body, contentType } = input
      return { method: 'POST', path: 'Binary', headers: {}, body, resourceType: 'Binary', contentType }
    }
  }
}

/** What a lane or encryption function sees of what is no resource in JSON. */
function shownFor(input: Exclude<WriteInput, { resource: JsonObject }>): JsonObject {
  if (input.kind === 'bytes') return { resourceType: 'Binary', contentType: input.contentType }
  return { resourceType: input.type, ...('id' in input ? { id: input.id } : {}) }
}

/** Versions and ETags are both fine as conditions. */
function tagOf(version: string): string {
  return version.includes('"') ? version : `W/"${version}"`
}

/** What should be encrypted and cannot be is refused: it never travels in clear instead. */
function mustEncrypt(
  input: WriteInput,
  { shouldEncrypt = () => true, receiverRunsTransactions = false }: Omit<Encryption, 'client' | 'sealer'>,
): boolean {
  if (input.kind === 'transaction') {
    const secret =
      shouldEncrypt(input.resource, 'POST') ||
      writesIn(input.resource).some(([one, method]) => shouldEncrypt(one, method))
    if (!secret || receiverRunsTransactions) return secret
    throw new DataQueueError('ERR_CANNOT_ENCRYPT', 'A transaction holds what must be encrypted.', {
      hint: 'Queue its resources by themselves, or set receiverRunsTransactions when the receiver runs a Bundle that it opens.',
    })
  }
  // A delete carries no content.
  if (input.kind === 'delete') return false
  if (input.kind === 'bytes') {
    if (!shouldEncrypt(shownFor(input), 'POST')) return false
    throw new DataQueueError(
      'ERR_CANNOT_ENCRYPT',
      'Raw bytes cannot be encrypted: an envelope carries a resource.',
      {
        hint: 'Let shouldEncrypt answer false for Binary, or queue a Binary resource with its data in base64.',
      },
    )
  }
  const method = input.resource['id'] === undefined && input.of === undefined ? 'POST' : 'PUT'
  if (!shouldEncrypt(input.resource, method)) return false
  if (method === 'POST') return true
  throw new DataQueueError(
    'ERR_CANNOT_ENCRYPT',
    'An update cannot be encrypted: the endpoint only takes POST.',
    {
      hint: 'Let shouldEncrypt answer false for PUT, or queue the resource without an id.',
    },
  )
}

function writesIn(bundle: JsonObject): readonly (readonly [JsonObject, 'POST' | 'PUT'])[] {
  const entries: unknown[] = Array.isArray(bundle['entry']) ? bundle['entry'] : []
  return entries
    .filter(isObject)
    .flatMap(({ resource, request }): (readonly [JsonObject, 'POST' | 'PUT'])[] => {
      const method = isObject(request) && request['method'] === 'PUT' ? 'PUT' : 'POST'
      return isObject(resource) ? [[resource, method]] : []
    })
}
