import { toBase64, toBase64Url, utf8 } from '../bytes.js'
import type { JsonObject } from '../json.js'
import type { SeededRandom } from '../random.js'

export type AuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'

export type GrantType =
  | 'authorization_code'
  | 'refresh_token'
  | 'client_credentials'
  | 'urn:ietf:params:oauth:grant-type:jwt-bearer'

/** For whom a token acts. */
export interface OnBehalf {
  readonly username?: string
  /** The patient of the launch. */
  readonly patient?: string
  readonly encounter?: string
  /** Ids of the patients that the user may see; everybody when left out. */
  readonly visible?: readonly string[]
}

/** A client the mock knows. Secrets stand here in clear: it is a test server. */
export interface MockClient {
  readonly clientId: string
  /** `smart` clients use `/auth/token`, `c3pro` clients use `/c3pro/oauth`. */
  readonly kind: 'smart' | 'c3pro'
  readonly secret?: string
  readonly jwks?: { readonly keys: readonly JsonObject[] }
  /** Scopes the client may have, separated by spaces. */
  readonly scope: string
  readonly tokenEndpointAuthMethod: AuthMethod
  readonly grantTypes: readonly GrantType[]
  readonly redirectUris: readonly string[]
  /** For a client of one device: the person who let it register. */
  readonly onBehalf?: OnBehalf
  /** Bearer token of the RFC 7592 management endpoint, for clients that registered themselves. */
  readonly registrationToken?: string
  /** Further registered metadata, given back by the management endpoint. */
  readonly metadata?: JsonObject
}

export interface MockToken extends OnBehalf {
  readonly token: string
  readonly clientId: string
  readonly kind: 'smart' | 'c3pro'
  readonly scope: string
  /** Milliseconds since 1970 by the mock's clock. */
  readonly expiresAt: number
  /** The login it came from: revoked together with everything else of it. */
  readonly grantId?: string
}

/** Who may enter: clients, the tokens issued to them, and the assertions already used. */
export interface Credentials {
  readonly clients: Map<string, MockClient>
  readonly tokens: Map<string, MockToken>
  /** `client id, space, jti` → expiry in milliseconds. */
  readonly usedAssertions: Map<string, number>
  issue(
    client: MockClient,
    scope: string,
    expiresAt: number,
    more?: OnBehalf & { readonly grantId?: string },
  ): MockToken
  /** The token of an `Authorization` header that is alive at that time. */
  fromHeader(authorization: string | null, now: number): MockToken | undefined
  newSecret(): string
  newOpaque(): string
}

export function createCredentials(random: SeededRandom): Credentials {
  const tokens = new Map<string, MockToken>()
  const newOpaque = (): string => toBase64Url(random.bytes(32))
  return {
    clients: new Map(),
    tokens,
    usedAssertions: new Map(),
    issue: (client, scope, expiresAt, more = {}) => {
      const { clientId, kind } = client
      const token: MockToken = { token: newOpaque(), clientId, kind, scope, expiresAt, ...more }
      tokens.set(token.token, token)
      return token
    },
    fromHeader: (authorization, now) => {
      const match = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i.exec(authorization ?? '')
      const token = tokens.get(match?.[1] ?? '')
      return token !== undefined && token.expiresAt > now ? token : undefined
    },
    newSecret: () => {
      // 88 characters with `+`, `/` and `=`: a client that forgets to form-encode them always notices.
      for (;;) {
        const secret = toBase64(random.bytes(64))
        if (secret.includes('+') && secret.includes('/')) return secret
      }
    },
    newOpaque,
  }
}

/** Compares without an early exit; length may show. */
export function sameText(a: string, b: string): boolean {
  const [left, right] = [utf8(a), utf8(b)]
  let difference = left.length ^ right.length
  for (const [index, byte] of left.entries()) difference |= byte ^ (right[index] ?? 0)
  return difference === 0
}
