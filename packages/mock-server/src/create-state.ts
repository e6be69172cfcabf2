import type { Credentials, MockClient, MockToken } from './auth/credentials.js'
import { defaultScope } from './auth/registration.js'
import type { C3ProEnvelope } from './c3pro/envelope.js'
import type { ReceivedEnvelope } from './c3pro/consumer.js'
import { generateReceiverKeyPair, type ReceiverKeyPair } from './c3pro/key-pair.js'
import { MockServerError } from './errors.js'
import type { Resource, StoredVersion } from './fhir/model.js'
import type { Pages } from './fhir/paging.js'
import { createDraft, type Repository } from './fhir/repository.js'
import { checkResource } from './fhir/structure.js'
import { createResource, updateResource, type WriteContext } from './fhir/writes.js'
import { isObject } from './json.js'
import type { SeededRandom } from './random.js'
import type { Commit, MockState } from './state.js'

export interface StateParts {
  readonly repository: Repository
  readonly credentials: Credentials
  readonly pages: Pages
  readonly random: SeededRandom
  clock(): number
}

/** The public state together with what the services need of it. */
export interface StateStore {
  readonly state: MockState
  readonly receipts: Set<string>
  readonly antispamTokens: Set<string>
  readonly received: ReceivedEnvelope[]
  readonly filed: Map<string, string>
  /** `undefined` for a key id that was never handed out. */
  keyPair(keyId: string): Promise<ReceiverKeyPair | undefined>
  open(fhirBase: string): WriteContext
  commit(context: WriteContext, requestId: number): void
}

const exportFormat = 'fhir-outbox-mock-state/1'

interface Exported {
  readonly format: typeof exportFormat
  readonly random: readonly number[]
  readonly versions: readonly StoredVersion[]
  readonly commits: readonly Commit[]
  readonly clients: readonly MockClient[]
  readonly tokens: readonly MockToken[]
  readonly usedAssertions: readonly (readonly [string, number])[]
  readonly receipts: readonly string[]
  readonly antispamTokens: readonly string[]
  readonly received: readonly ReceivedEnvelope[]
  readonly filed: readonly (readonly [string, string])[]
  readonly keyId: string
  readonly keyPairs: readonly (readonly [string, ReceiverKeyPair | null])[]
}

export function createStateStore(parts: StateParts): StateStore {
  const { repository, credentials, random, clock } = parts
  const commits: Commit[] = []
  const receipts = new Set<string>()
  const antispamTokens = new Set<string>()
  const received: ReceivedEnvelope[] = []
  const filed = new Map<string, string>()
  // A key id is known from the moment it is handed out; its pair is made when first asked for.
  const made = new Map<string, ReceiverKeyPair | null>()
  const making = new Map<string, Promise<ReceiverKeyPair>>()
  let keyId = random.uuid()
  made.set(keyId, null)

  const keyPair = async (id: string): Promise<ReceiverKeyPair | undefined> => {
    const ready = made.get(id)
    if (ready !== null) return ready
    let pending = making.get(id)
    if (pending === undefined) {
      pending = generateReceiverKeyPair(id, random.bytes(8)).then((pair) => {
        made.set(id, pair)
        making.delete(id)
        return pair
      })
      making.set(id, pending)
    }
    return pending
  }

  const open = (fhirBase: string): WriteContext => ({
    draft: createDraft(repository),
    fhirBase,
    at: clock(),
    newId: () => random.uuid(),
  })
  const commit = (context: WriteContext, requestId: number): void => {
    repository.commit(context.draft.written)
    for (const { at, type, id, version, method } of context.draft.written) {
      commits.push({ n: commits.length + 1, at, type, id, version, method, requestId })
    }
  }

  const state: MockState = {
    resources: (type) => {
      const types = type === undefined ? repository.types() : [type]
      return types.flatMap((name) => [...repository.live(name)].map((version) => copyOf(version)))
    },
    get: (type, id) => {
      const version = repository.current(type, id)
      return version?.resource === undefined ? undefined : copyOf(version)
    },
    load: (resources) => {
      const context = open('')
      for (const resource of resources) {
        const checked = checkResource(structuredClone(resource))
        if (checked.id === undefined) createResource(context, checked, undefined)
        else updateResource(context, checked.id, checked, { ifMatch: undefined, ifNoneMatch: undefined })
      }
      commit(context, 0)
    },
    commits,
    get tokens() {
      return [...credentials.tokens.values()]
    },
    get clients() {
      return [...credentials.clients.values()]
    },
    addClient: ({ clientId, secret, jwks, scope }) => {
      credentials.clients.set(clientId, {
        clientId,
        kind: 'smart',
        scope: scope ?? defaultScope,
        tokenEndpointAuthMethod: jwks === undefined ? 'client_secret_basic' : 'private_key_jwt',
        ...(secret === undefined ? {} : { secret }),
        ...(jwks === undefined ? {} : { jwks }),
      })
    },
    addReceipt: (receipt) => void receipts.add(receipt),
    addAntispam: (token) => void antispamTokens.add(token),
    expireTokens: () => credentials.tokens.clear(),
    c3pro: {
      get keyId() {
        return keyId
      },
      certificatePem: async (id) => {
        const pair = await keyPair(id ?? keyId)
        if (pair !== undefined) return pair.certificatePem
        throw new MockServerError(
          'ERR_MOCK_OPTIONS',
          'This key id was never handed out.',
          'Use `state.c3pro.keyId`.',
        )
      },
      rotateKey: () => {
        keyId = random.uuid()
        made.set(keyId, null)
        return keyId
      },
      received,
      get undecryptable(): readonly C3ProEnvelope[] {
        return received.filter((item) => item.outcome === 'undecryptable').map((item) => item.envelope)
      },
    },
    export: () => {
      const exported: Exported = {
        format: exportFormat,
        random: random.save(),
        versions: [...repository.all()],
        commits,
        clients: [...credentials.clients.values()],
        tokens: [...credentials.tokens.values()],
        usedAssertions: [...credentials.usedAssertions],
        receipts: [...receipts],
        antispamTokens: [...antispamTokens],
        received,
        filed: [...filed],
        keyId,
        keyPairs: [...made],
      }
      return JSON.stringify(exported)
    },
    restore: (text) => {
      const saved = parseExported(text)
      random.load(saved.random)
      repository.clear()
      repository.commit(saved.versions)
      parts.pages.clear()
      replaceList(commits, saved.commits)
      replaceList(received, saved.received)
      replaceMap(
        credentials.clients,
        saved.clients.map((client) => [client.clientId, client]),
      )
      replaceMap(
        credentials.tokens,
        saved.tokens.map((token) => [token.token, token]),
      )
      replaceMap(credentials.usedAssertions, saved.usedAssertions)
      replaceMap(filed, saved.filed)
      replaceMap(made, saved.keyPairs)
      making.clear()
      replaceSet(receipts, saved.receipts)
      replaceSet(antispamTokens, saved.antispamTokens)
      ;({ keyId } = saved)
    },
  }
  return { state, receipts, antispamTokens, received, filed, keyPair, open, commit }
}

function copyOf(version: StoredVersion): Resource {
  return structuredClone(version.resource) as Resource
}

function parseExported(text: string): Exported {
  let value: unknown
  let cause: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    cause = error
  }
  const lists: readonly (keyof Exported)[] = [
    'random',
    'versions',
    'commits',
    'clients',
    'tokens',
    'usedAssertions',
    'receipts',
    'antispamTokens',
    'received',
    'filed',
    'keyPairs',
  ]
  const known =
    isObject(value) &&
    value['format'] === exportFormat &&
    typeof value['keyId'] === 'string' &&
    lists.every((name) => Array.isArray((value as Readonly<Record<string, unknown>>)[name]))
  if (known) return value as unknown as Exported
  throw new MockServerError(
    'ERR_MOCK_STATE',
    'The text is no exported state of this mock server.',
    'Give `restore` what `export` returned, from the same version of this package.',
    cause,
  )
}

function replaceList<T>(list: T[], items: readonly T[]): void {
  list.length = 0
  for (const item of items) list.push(item)
}

function replaceMap<K, V>(map: Map<K, V>, items: readonly (readonly [K, V])[]): void {
  map.clear()
  for (const [key, value] of items) map.set(key, value)
}

function replaceSet<T>(set: Set<T>, items: readonly T[]): void {
  set.clear()
  for (const item of items) set.add(item)
}
