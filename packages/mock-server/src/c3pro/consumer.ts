import { asArray, isObject, parseJson } from '../json.js'
import { idPattern, type Resource, type StoredVersion } from '../fhir/model.js'
import { parseEntry, type BundleEntry } from '../fhir/bundle-entry.js'
import { FhirProblem } from '../fhir/problem.js'
import type { RepositoryView } from '../fhir/repository.js'
import { checkResource } from '../fhir/structure.js'
import { inEntry, runTransactionWrites } from '../fhir/transaction.js'
import { createResource, updateResource, type WriteContext } from '../fhir/writes.js'
import type { ReceiverKeyPair } from './key-pair.js'
import type { Message } from './message.js'
import type { C3ProProfile } from './profile.js'

const keySystem = 'urn:ietf:rfc:3986'
const keyPattern = /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What became of one message: exactly one record for every envelope that was relayed. */
export interface ReceivedEnvelope {
  /** Number of the exchange in `log`. */
  readonly n: number
  readonly at: number
  readonly suite: Message['suite']
  readonly keyId: string
  /** FHIR version; only in the suite `c3-pro`. */
  readonly version?: string
  readonly outcome: 'filed' | 'duplicate' | 'undecryptable' | 'refused'
  /**
   * `Type/id` of the resource written, or of the one that was there already; of a transaction that of its first write
   * (`state.commits` has all).
   */
  readonly reference?: string
  /** Why a decrypted resource was refused. */
  readonly reason?: string
  readonly envelope: Message['envelope']
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
  readonly profile: C3ProProfile
  currentKeyId(): string
  /** `undefined` for a key id that was never handed out. */
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

type Filed = Pick<ReceivedEnvelope, 'outcome' | 'reference'>

/**
 * Decrypts one relayed envelope and files its resource once, however often it arrives. Answers `unknown-key` without a
 * record when the profile refuses those.
 */
export async function consume(
  parts: ConsumerParts,
  { locks, ...message }: Message,
  from: Origin,
): Promise<'relayed' | 'unknown-key'> {
  let known: (typeof locks)[number] | undefined
  let plaintext: Uint8Array | undefined
  for (const lock of locks) {
    const pair = await parts.keyPair(lock.keyId)
    if (pair === undefined) continue
    known ??= lock
    plaintext = await lock.open(pair.privateJwk, `${from.root}/c3pro/encfhir`)
    if (plaintext === undefined) continue
    known = lock
    break
  }
  if (known === undefined && parts.profile.knowsKeys === 'refuse') return 'unknown-key'
  const { keyId } = known ?? locks[0]
  const record = { n: from.n, at: from.now, keyId, ...message }
  parts.received.push({ ...record, ...fileOpened(parts, plaintext, from) })
  return 'relayed'
}

function fileOpened(
  parts: ConsumerParts,
  plaintext: Uint8Array | undefined,
  from: Origin,
): Filed & Pick<ReceivedEnvelope, 'reason'> {
  if (plaintext === undefined) return { outcome: 'undecryptable' }
  try {
    const resource = checkResource(parseJson(plaintext))
    const runs = resource.resourceType === 'Bundle' && resource['type'] === 'transaction'
    return runs && parts.profile.runsTransactions
      ? runTransaction(parts, resource, from)
      : file(parts, resource, from)
  } catch (error) {
    if (!(error instanceof FhirProblem)) throw error
    return { outcome: 'refused', reason: error.message }
  }
}

/**
 * All or nothing. Conditions make a create once, or delivery keys where it has no condition. Nobody is there to read what
 * it would read.
 */
function runTransaction(parts: ConsumerParts, bundle: Resource, from: Origin): Filed {
  const context = parts.open(`${from.root}/fhir`, from.now)
  const { fhirBase, profile } = context
  const check = (value: unknown, type: string): Resource => checkResource(value, type, profile.validation)
  const entries = asArray(bundle['entry']).map((value, index) =>
    inEntry(index, () => parseEntry(value, index, { fhirBase, profile, check })),
  )
  const keysOf = ({ method, resource }: BundleEntry): readonly string[] =>
    parts.profile.deduplicates && method === 'POST' && resource !== undefined ? deliveryKeys(resource) : []
  const results = runTransactionWrites(entries, context, check, (entry, { draft }) =>
    entry.ifNoneExist === undefined ? filedAs(parts, draft, entry.type, keysOf(entry)) : undefined,
  )
  const { written } = context.draft
  const first = written[0] ?? [...results.values()].find(({ version }) => version !== undefined)?.version
  if (written.length > 0) parts.commit(context, from.n)
  for (const entry of entries) {
    const version = results.get(entry.index)?.version
    if (version === undefined) continue
    for (const key of keysOf(entry)) parts.filed.set(`${entry.type} ${key}`, `${entry.type}/${version.id}`)
  }
  const outcome = written.length > 0 ? 'filed' : 'duplicate'
  return first === undefined ? { outcome } : { outcome, reference: `${first.type}/${first.id}` }
}

/** Files a resource: with an id as an update, else as a create. */
export function file(parts: ConsumerParts, resource: Resource, from: Origin): Filed {
  const { resourceType: type, id } = resource
  const context = parts.open(`${from.root}/fhir`, from.now)
  const keys = parts.profile.deduplicates ? deliveryKeys(resource) : []
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
  const found = filedAs(parts, context.draft, type, keys)
  return found === undefined ? undefined : `${type}/${found}`
}

/** The id of what was filed under one of the keys, also when it has been deleted since. */
function filedAs(
  { filed }: ConsumerParts,
  view: RepositoryView,
  type: string,
  keys: readonly string[],
): string | undefined {
  for (const key of keys) {
    const id = filed.get(`${type} ${key}`)?.slice(type.length + 1)
    if (id !== undefined) return id
    for (const version of view.candidates(type, [key])) if (carries(version, key)) return version.id
  }
  return undefined
}

function carries(version: StoredVersion, key: string): boolean {
  return version.resource !== undefined && deliveryKeys(version.resource).includes(key)
}
