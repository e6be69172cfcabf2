import { asArray, isObject, parseJson } from '../json.js'
import { idPattern, type Resource, type StoredVersion } from '../fhir/model.js'
import { FhirProblem } from '../fhir/problem.js'
import { checkResource } from '../fhir/structure.js'
import { createResource, updateResource, type WriteContext } from '../fhir/writes.js'
import { openEnvelope, type C3ProEnvelope } from './envelope.js'
import type { ReceiverKeyPair } from './key-pair.js'

const keySystem = 'urn:ietf:rfc:3986'
const keyPattern = /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What became of one message: exactly one record for every envelope that was relayed. */
export interface ReceivedEnvelope {
  /** Number of the exchange in `log`. */
  readonly n: number
  readonly at: number
  readonly keyId: string
  readonly version: string
  readonly outcome: 'filed' | 'duplicate' | 'undecryptable' | 'refused'
  /** `Type/id` of the resource written, or of the one that was there already. */
  readonly reference?: string
  /** Why a decrypted resource was refused. */
  readonly reason?: string
  readonly envelope: C3ProEnvelope
}

/** The delivery keys a resource carries: as identifier, or as tag where the type has no free identifier. */
function deliveryKeys(resource: Resource): readonly string[] {
  const meta = resource['meta']
  const tags = isObject(meta)
    ? asArray(meta['tag']).map((tag) => (isObject(tag) ? [tag['system'], tag['code']] : []))
    : []
  const identifiers = asArray(resource['identifier']).map((item) =>
    isObject(item) ? [item['system'], item['value']] : [],
  )
  return [...identifiers, ...tags]
    .filter(([system, key]) => system === keySystem && typeof key === 'string' && keyPattern.test(key))
    .map(([, key]) => String(key))
}

export interface ConsumerParts {
  readonly received: ReceivedEnvelope[]
  /** `Type`, or `Type/id` for updates, a space, and the key → `Type/id`: everything ever filed. */
  readonly filed: Map<string, string>
  readonly deduplicates: boolean
  keyPair(keyId: string): Promise<ReceiverKeyPair | undefined>
  read(type: string, id: string): Resource | undefined
  open(fhirBase: string, now: number): WriteContext
  commit(context: WriteContext, requestId: number): void
}

/** The exchange that brought something. */
interface Origin {
  readonly n: number
  readonly root: string
  readonly now: number
}

/** Decrypts one relayed envelope and files its resource once, however often it arrives. */
export async function consume(parts: ConsumerParts, envelope: C3ProEnvelope, from: Origin): Promise<void> {
  const keyId = envelope.key_id.trim()
  const record = { n: from.n, at: from.now, keyId, version: envelope.version, envelope }
  const pair = await parts.keyPair(keyId)
  const plaintext = await openEnvelope(envelope, pair?.privateJwk)
  if (plaintext === undefined) {
    parts.received.push({ ...record, outcome: 'undecryptable' })
    return
  }
  try {
    const resource = checkResource(parseJson(plaintext))
    parts.received.push({ ...record, ...file(parts, resource, from) })
  } catch (error) {
    if (!(error instanceof FhirProblem)) throw error
    parts.received.push({ ...record, outcome: 'refused', reason: error.message })
  }
}

/** Files a resource: with an id as an update, else as a create. */
export function file(
  parts: ConsumerParts,
  resource: Resource,
  from: Origin,
): Pick<ReceivedEnvelope, 'outcome'> & { readonly reference?: string } {
  const { resourceType: type, id } = resource
  const context = parts.open(`${from.root}/fhir`, from.now)
  const keys = parts.deduplicates ? deliveryKeys(resource) : []
  const scope = id === undefined ? type : `${type}/${id}`
  const existing = keys.length === 0 ? undefined : duplicateOf(parts, context, scope, resource, keys)
  if (existing !== undefined) return { outcome: 'duplicate', reference: existing }
  const { version } =
    id === undefined
      ? createResource(context, resource, undefined)
      : updateResource(context, id, resource, {})
  parts.commit(context, from.n)
  if (version === undefined) return { outcome: 'filed' }
  const reference = `${type}/${version.id}`
  for (const key of keys) parts.filed.set(`${scope} ${key}`, reference)
  return { outcome: 'filed', reference }
}

/** A create is known by any of its keys; an update only when none of its keys is new to that resource. */
function duplicateOf(
  parts: ConsumerParts,
  context: WriteContext,
  scope: string,
  resource: Resource,
  keys: readonly string[],
): string | undefined {
  const { resourceType: type, id } = resource
  if (id !== undefined) {
    const stored = idPattern.test(id) ? context.draft.current(type, id)?.resource : undefined
    const known = new Set(stored === undefined ? [] : deliveryKeys(stored))
    return keys.every((key) => known.has(key) || parts.filed.has(`${scope} ${key}`)) ? scope : undefined
  }
  for (const key of keys) {
    const carriers = [...context.draft.candidates(type, [key])].filter((version) => carries(version, key))
    const reference = parts.filed.get(`${scope} ${key}`) ?? (carriers[0] && `${type}/${carriers[0].id}`)
    if (reference !== undefined) return reference
  }
  return undefined
}

function carries(version: StoredVersion, key: string): boolean {
  return version.resource !== undefined && deliveryKeys(version.resource).includes(key)
}
