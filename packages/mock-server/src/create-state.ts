import type { Credentials } from './auth/credentials.js'
import type { Logins } from './auth/logins.js'
import { defaultScope } from './auth/registration.js'
import type { SigningKeys } from './auth/signing-keys.js'
import type { ReceivedEnvelope } from './c3pro/consumer.js'
import { generateReceiverKeyPair, type ReceiverKeyPair } from './c3pro/key-pair.js'
import { MockServerError } from './errors.js'
import { everything, type Access } from './fhir/access.js'
import type { Jobs } from './fhir/jobs.js'
import type { LiveVersion, Resource } from './fhir/model.js'
import { isLive } from './fhir/model.js'
import type { FhirProfile } from './fhir/profile.js'
import { createDraft, type Repository } from './fhir/repository.js'
import { checkResource } from './fhir/structure.js'
import { write, type WriteContext } from './fhir/writes.js'
import { plainCopy } from './json.js'
import { trueUuid, type SeededRandom } from './random.js'
import { exportState, parseExported, replaceList, replaceMap, replaceSet } from './saved-state.js'
import type { Commit, MockState } from './state.js'
import { noTrouble, type Trouble } from './server/call.js'

export interface StateParts {
  readonly repository: Repository
  readonly credentials: Credentials
  readonly logins: Logins
  readonly signingKeys: SigningKeys
  readonly jobs: Jobs
  readonly random: SeededRandom
  readonly profile: FhirProfile
  /** The secret behind page links. */
  readonly pageSecret: { get(): string; set(secret: string): void }
  clock(): number
}

export interface Opening {
  readonly fhirBase: string
  readonly now: number
  readonly access?: Access
  readonly trouble?: Trouble
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
  /** Begins a write. Nothing may be awaited before its commit. */
  open(opening: Opening): WriteContext
  commit(context: WriteContext, requestId: number): void
}

export function createStateStore(parts: StateParts): StateStore {
  const { repository, credentials, logins, random, clock, profile } = parts
  const commits: Commit[] = []
  const receipts = new Set<string>()
  const antispamTokens = new Set<string>()
  const received: ReceivedEnvelope[] = []
  const filed = new Map<string, string>()
  // A key id is known from the moment it is handed out; its pair is made when first asked for. The seed makes neither:
  // one id for the different keys of two mocks would send envelopes to a key that cannot open them.
  const made = new Map<string, ReceiverKeyPair | null>()
  const making = new Map<string, Promise<ReceiverKeyPair>>()
  let keyId = trueUuid()
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

  const open = ({ fhirBase, now, access = everything, trouble = noTrouble }: Opening): WriteContext => {
    const draft = createDraft(repository, { t: repository.lastT + 1, length: repository.length })
    const lagMs = Math.max(profile.searchLagMs, trouble.searchLagMs)
    return {
      draft,
      profile,
      access,
      fhirBase,
      // Time in the store never runs backwards, whatever the clock does: views of the past depend on it.
      at: Math.max(now, repository.lastAt),
      searchable: lagMs > 0 ? repository.view(repository.lastTAt(now - lagMs)) : draft,
      ignoreConditions: trouble.ignoreConditions,
      newId: () => random.uuid(),
    }
  }
  const commit = ({ draft }: WriteContext, requestId: number): void => {
    if (draft.t !== repository.lastT + 1) throw new Error('Something was written between begin and commit.')
    repository.commit(draft.written)
    for (const { at, type, id, version, method } of draft.written) {
      commits.push({ n: commits.length + 1, at, type, id, version, method, requestId })
    }
  }

  const state: MockState = {
    resources: (type) => {
      const types = type === undefined ? repository.types() : [type]
      return types.flatMap((name) => [...repository.candidates(name)].map(copyOf))
    },
    get: (type, id) => {
      const version = repository.current(type, id)
      return isLive(version) ? copyOf(version) : undefined
    },
    load: (resources) => {
      const context = open({ fhirBase: '', now: clock() })
      for (const resource of resources) {
        const checked = checkResource(structuredClone(resource))
        write(context, checked, {
          id: checked.id ?? context.newId(),
          method: checked.id === undefined ? 'POST' : 'PUT',
        })
      }
      if (context.draft.written.length > 0) commit(context, 0)
    },
    commits,
    get tokens() {
      return [...credentials.tokens.values()]
    },
    get clients() {
      return [...credentials.clients.values()]
    },
    addClient: ({ clientId, secret, jwks, scope, redirectUris = [], grantTypes }) => {
      const isApp = redirectUris.length > 0
      const grants = grantTypes ?? (isApp ? ['authorization_code', 'refresh_token'] : ['client_credentials'])
      let method: 'none' | 'client_secret_basic' | 'private_key_jwt' = isApp ? 'none' : 'client_secret_basic'
      if (secret !== undefined) method = 'client_secret_basic'
      else if (jwks !== undefined) method = 'private_key_jwt'
      credentials.clients.set(clientId, {
        clientId,
        kind: 'smart',
        scope: scope ?? defaultScope(grants),
        tokenEndpointAuthMethod: method,
        grantTypes: grants,
        redirectUris,
        ...(secret === undefined ? {} : { secret }),
        ...(jwks === undefined ? {} : { jwks }),
      })
    },
    addReceipt: (receipt) => void receipts.add(receipt),
    addAntispam: (token) => void antispamTokens.add(token),
    expireTokens: () => credentials.tokens.clear(),
    addUser: (user) => void logins.users.set(user.username, user),
    approveLogins: (approval) => {
      logins.approval = approval
    },
    createLaunch: (launch) => {
      const id = credentials.newOpaque()
      logins.launches.set(id, launch)
      return id
    },
    rotateSigningKey: (withdraw) => parts.signingKeys.rotate(withdraw),
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
        keyId = trueUuid()
        made.set(keyId, null)
        return keyId
      },
      received,
      get undecryptable(): readonly ReceivedEnvelope['envelope'][] {
        return received.filter((item) => item.outcome === 'undecryptable').map((item) => item.envelope)
      },
    },
    export: () =>
      exportState({
        random: random.save(),
        versions: [...repository.all()],
        commits,
        clients: [...credentials.clients.values()],
        tokens: [...credentials.tokens.values()],
        usedAssertions: [...credentials.usedAssertions],
        users: [...logins.users],
        launches: [...logins.launches],
        pending: [...logins.pending],
        grants: [...logins.grants],
        codes: [...logins.codes],
        refreshTokens: [...logins.refreshTokens],
        approval: logins.approval === undefined ? [] : [logins.approval],
        signingKeys: parts.signingKeys.save(),
        jobs: [...parts.jobs.all],
        bundleJobs: [...parts.jobs.bundles],
        receipts: [...receipts],
        antispamTokens: [...antispamTokens],
        received,
        filed: [...filed],
        keyPairs: [...made],
        keyId,
        pageSecret: parts.pageSecret.get(),
      }),
    restore: (text) => {
      const saved = parseExported(text)
      random.load(saved.random)
      repository.clear()
      repository.commit(saved.versions)
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
      for (const name of ['users', 'launches', 'pending', 'grants', 'codes', 'refreshTokens'] as const) {
        // Each list was saved from the map of its own name.
        replaceMap(logins[name] as Map<string, unknown>, saved[name])
      }
      logins.approval = saved.approval[0]
      parts.signingKeys.load(saved.signingKeys)
      replaceMap(parts.jobs.all, saved.jobs)
      replaceMap(parts.jobs.bundles, saved.bundleJobs)
      replaceMap(filed, saved.filed)
      // An id without a pair is good only in the mock that handed it out: another one would make another pair for it.
      const own = new Map(made)
      replaceMap(
        made,
        saved.keyPairs
          .filter(([id, pair]) => pair !== null || own.has(id))
          .map(([id, pair]) => [id, pair ?? own.get(id) ?? null]),
      )
      replaceSet(receipts, saved.receipts)
      replaceSet(antispamTokens, saved.antispamTokens)
      ;({ keyId } = saved)
      if (!made.has(keyId)) state.c3pro.rotateKey()
      parts.pageSecret.set(saved.pageSecret)
    },
  }
  return { state, receipts, antispamTokens, received, filed, keyPair, open, commit }
}

function copyOf({ resource }: LiveVersion): Resource {
  return plainCopy(resource)
}
