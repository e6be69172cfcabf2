import { DataQueueError } from './errors.js'
import type { Encryption } from './encryption.js'
import type { EntryHeader } from './header.js'
import { isObject, readJson, type JsonObject, type ResourceInput } from './json.js'
import { choosePlan, type KeyMode, type Plan } from './plan.js'
import { resourceWrite, transactionWrite } from './write.js'

/** What the planner needs to know about a queue. */
export interface PlannerOptions {
  /** Base URL of the FHIR server: gate and default lane of everything that is not encrypted. */
  readonly fhirUrl: string
  /** How created resources are marked. Default `'identifier'`. */
  readonly key?: KeyMode
  /** The lane of a resource. Default: the FHIR server, so that everything keeps its order of creation. */
  readonly lane?: (resource: JsonObject) => string
  readonly encryption?: Pick<Encryption, 'shouldEncrypt' | 'receiver'> & { readonly url: string }
}

/** One write with everything decided: where it goes, how, in which lane, under which plan. */
export interface PlannedWrite {
  readonly gate: string
  readonly lane: string
  readonly encrypted: boolean
  readonly plan: Plan
  readonly header: EntryHeader
  /** JSON text that travels, or is sealed when `encrypted`. */
  readonly body: string
}

/**
 * Decides how a resource travels. A Bundle of type `transaction` is one request when `asTransaction` is set,
 * anything else is one resource. Nothing is stored or sent.
 * @throws DataQueueError `ERR_INVALID_RESOURCE`, `ERR_INVALID_BUNDLE`, `ERR_CANNOT_ENCRYPT`
 */
export async function planWrite(
  input: ResourceInput,
  key: string,
  options: PlannerOptions,
  asTransaction = false,
): Promise<PlannedWrite> {
  const resource = readJson(input)
  const lane = options.lane?.(resource) ?? options.fhirUrl
  const { encryption } = options
  if (encryption !== undefined && mustEncrypt(resource, encryption, asTransaction)) {
    const { body } = resourceWrite(resource, key, 'identifier')
    const plan = choosePlan({
      interaction: 'create',
      keyMode: 'identifier',
      encryptedFor: encryption.receiver ?? 'keeps-everything',
    })
    const header: EntryHeader = { method: 'POST', path: '', headers: {}, plan: plan.name }
    return { gate: encryption.url, lane, encrypted: true, plan, header, body }
  }
  const keyMode = options.key ?? 'identifier'
  const write = asTransaction
    ? await transactionWrite(resource, key, keyMode)
    : resourceWrite(resource, key, keyMode)
  const { body, plan, ...rest } = write
  return { gate: options.fhirUrl, lane, encrypted: false, plan, header: { ...rest, plan: plan.name }, body }
}

/** What should be encrypted and cannot be is refused: it never travels in clear instead. */
function mustEncrypt(
  resource: JsonObject,
  { shouldEncrypt = () => true }: Pick<Encryption, 'shouldEncrypt'>,
  asTransaction: boolean,
): boolean {
  if (asTransaction) {
    const entries: unknown[] = Array.isArray(resource['entry']) ? resource['entry'] : []
    const secret = entries.some((entry) => {
      const inner = isObject(entry) ? entry['resource'] : undefined
      return isObject(inner) && shouldEncrypt(inner, 'POST')
    })
    if (!secret) return false
    throw new DataQueueError('ERR_CANNOT_ENCRYPT', 'A transaction holds a resource that must be encrypted.', {
      hint: 'Queue that resource by itself: an envelope carries one resource.',
    })
  }
  const method = resource['id'] === undefined ? 'POST' : 'PUT'
  if (!shouldEncrypt(resource, method)) return false
  if (method === 'POST') return true
  throw new DataQueueError(
    'ERR_CANNOT_ENCRYPT',
    'An update cannot be encrypted: the endpoint only takes POST.',
    {
      hint: 'Let shouldEncrypt answer false for PUT, or queue the resource without an id.',
    },
  )
}
