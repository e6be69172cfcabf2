import type { GrantType, MockClient, MockToken } from './auth/credentials.js'
import type { Approval, Launch, MockUser } from './auth/logins.js'
import type { ReceivedEnvelope } from './c3pro/consumer.js'
import type { Resource, WriteMethod } from './fhir/model.js'
import type { JsonObject } from './json.js'

/** One effect on the FHIR store, in the order in which it became real. */
export interface Commit {
  /** 1 for the first effect ever. */
  readonly n: number
  /** Milliseconds since 1970 by the mock's clock. */
  readonly at: number
  readonly type: string
  readonly id: string
  readonly version: number
  readonly method: WriteMethod
  /** Number of the exchange in `log` that caused it; 0 for `state.load`. */
  readonly requestId: number
}

export interface NewClient {
  readonly clientId: string
  /** For Basic or secret in the body. */
  readonly secret?: string
  /** For private_key_jwt; public keys only, each with a `kid`. */
  readonly jwks?: { readonly keys: readonly JsonObject[] }
  /** Default `system/*.*`; with `redirectUris` all that a person can grant. */
  readonly scope?: string
  /** Makes it an app with a login: `authorization_code` and `refresh_token`. Without secret and keys it is public. */
  readonly redirectUris?: readonly string[]
  /** Default: what the other members ask for. */
  readonly grantTypes?: readonly GrantType[]
}

export interface C3ProState {
  /** The key id that senders should use now. */
  readonly keyId: string
  /** Self-signed X.509 certificate of a key (default: the current one) as PEM; RSA-2048, made on first use. */
  certificatePem(keyId?: string): Promise<string>
  /** Makes another key id the current one; older keys still open envelopes. */
  rotateKey(): string
  readonly received: readonly ReceivedEnvelope[]
  /** The envelopes that could not be opened: kept, never retried. */
  readonly undecryptable: readonly ReceivedEnvelope['envelope'][]
}

/** What the server holds, for tests to look at and arrange. Everything handed out is a copy or read-only. */
export interface MockState {
  /** Current resources, of one type or all, oldest first within a type. */
  resources(type?: string): readonly Resource[]
  get(type: string, id: string): Resource | undefined
  /** Puts resources into the store as they are (an id is given where none is). */
  load(resources: readonly Resource[]): void
  readonly commits: readonly Commit[]
  readonly tokens: readonly MockToken[]
  readonly clients: readonly MockClient[]
  addClient(client: NewClient): void
  /** Accepts this Base64 app receipt at `/c3pro/register`. */
  addReceipt(receipt: string): void
  /** Accepts this value of the Antispam header at `/c3pro/register`. */
  addAntispam(token: string): void
  /** Makes every access token issued so far invalid; refresh tokens stay. */
  expireTokens(): void
  /** Somebody who can log in at `/patient-login`. */
  addUser(user: MockUser): void
  /** Decides every login at once, without any page; `undefined` brings the pages back. */
  approveLogins(approval: Approval | undefined): void
  /** What an EHR does before it opens an app: the returned value is the `launch` parameter. */
  createLaunch(launch: Launch): string
  /** Signs id_tokens by a new key; the old one stays published unless `withdraw` is true. */
  rotateSigningKey(withdraw?: boolean): void
  readonly c3pro: C3ProState
  /**
   * The whole state as JSON text, logins and page links in use included. Not part of it: log, faults, and the
   * parameters of searches by POST where a profile keeps them in memory.
   */
  export(): string
  /**
   * Replaces the state by an exported one.
   * @throws MockServerError `ERR_MOCK_STATE` when the text is no export of this package; the state is unchanged then.
   */
  restore(exported: string): void
}
