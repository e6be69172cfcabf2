import type { MockClient, MockToken } from './auth/credentials.js'
import type {
  Approval,
  AuthCode,
  Grant,
  Launch,
  MockUser,
  PendingLogin,
  RefreshToken,
} from './auth/logins.js'
import type { SigningKey } from './auth/signing-keys.js'
import type { ReceivedEnvelope } from './c3pro/consumer.js'
import type { ReceiverKeyPair } from './c3pro/key-pair.js'
import { MockServerError } from './errors.js'
import type { BundleJob } from './fhir/bundle-jobs.js'
import type { Job } from './fhir/jobs.js'
import type { StoredVersion } from './fhir/model.js'
import { isObject, jsonText, parseText } from './json.js'
import type { Commit } from './state.js'

type Pairs<T> = readonly (readonly [string, T])[]

/** Everything a mock knows, as plain data. */
export interface SavedState {
  readonly random: readonly number[]
  readonly versions: readonly StoredVersion[]
  readonly commits: readonly Commit[]
  readonly clients: readonly MockClient[]
  readonly tokens: readonly MockToken[]
  readonly usedAssertions: Pairs<number>
  readonly users: Pairs<MockUser>
  readonly launches: Pairs<Launch>
  readonly pending: Pairs<PendingLogin>
  readonly grants: Pairs<Grant>
  readonly codes: Pairs<AuthCode>
  readonly refreshTokens: Pairs<RefreshToken>
  /** One or none. */
  readonly approval: readonly Approval[]
  readonly signingKeys: readonly SigningKey[]
  readonly jobs: Pairs<Job>
  readonly bundleJobs: Pairs<BundleJob>
  readonly receipts: readonly string[]
  readonly antispamTokens: readonly string[]
  readonly received: readonly ReceivedEnvelope[]
  readonly filed: Pairs<string>
  readonly keyPairs: Pairs<ReceiverKeyPair | null>
  readonly keyId: string
  readonly pageSecret: string
}

const exportFormat = 'fhir-outbox-mock-state/2'

const lists = [
  'random',
  'versions',
  'commits',
  'clients',
  'tokens',
  'usedAssertions',
  'users',
  'launches',
  'pending',
  'grants',
  'codes',
  'refreshTokens',
  'approval',
  'signingKeys',
  'jobs',
  'receipts',
  'antispamTokens',
  'received',
  'filed',
  'keyPairs',
] as const satisfies readonly (keyof SavedState)[]

export function exportState(saved: SavedState): string {
  return jsonText({ format: exportFormat, ...saved })
}

/** @throws MockServerError `ERR_MOCK_STATE` */
export function parseExported(text: string): SavedState {
  let value: unknown
  let cause: unknown
  try {
    value = parseText(text)
  } catch (error) {
    cause = error
  }
  const known =
    isObject(value) &&
    value['format'] === exportFormat &&
    typeof value['keyId'] === 'string' &&
    typeof value['pageSecret'] === 'string' &&
    lists.every((name) => Array.isArray((value as Readonly<Record<string, unknown>>)[name]))
  // Exports from before there were bundle jobs have none.
  const { bundleJobs = [], ...rest } = (known ? value : {}) as Partial<SavedState>
  if (known && Array.isArray(bundleJobs)) return { ...rest, bundleJobs } as SavedState
  throw new MockServerError(
    'ERR_MOCK_STATE',
    'The text is no exported state of this mock server.',
    'Give `restore` what `export` returned, from the same version of this package.',
    cause,
  )
}

export function replaceList<T>(list: T[], items: readonly T[]): void {
  list.length = 0
  for (const item of items) list.push(item)
}

export function replaceMap<K, V>(map: Map<K, V>, items: readonly (readonly [K, V])[]): void {
  map.clear()
  for (const [key, value] of items) map.set(key, value)
}

export function replaceSet<T>(set: Set<T>, items: readonly T[]): void {
  set.clear()
  for (const item of items) set.add(item)
}
