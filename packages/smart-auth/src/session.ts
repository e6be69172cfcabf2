import { proofFor, type ClientProof } from './client-proof.js'
import { AuthError } from './errors.js'
import { isId } from './internal/fhir-read.js'
import type { IdTokenClaims } from './internal/id-token.js'
import { omitUndefined } from './internal/omit-undefined.js'
import { resourceGuard } from './internal/server-endpoints.js'
import {
  isSameLogin,
  loadSession,
  saveSession,
  sessionId,
  type PatientSource,
  type SessionRecord,
} from './internal/session-record.js'
import { loginRequired, sessionRenewal, type UncertainRefresh } from './internal/session-tokens.js'
import { createTokenCache } from './internal/token-cache.js'
import { asTokenError } from './internal/token-failure.js'
import { parseFhirBase } from './internal/url.js'
import { revoke } from './revoke.js'
import { compareScopes, splitScopes } from './scopes.js'
import { checkStore, type SecretStore } from './secret-store.js'
import type { ConnectionOptions, TokenSource } from './types.js'

export type { IdTokenClaims, PatientSource, UncertainRefresh }

/** What a login may leave to be desired. */
export type SessionNotice =
  /** `offline_access` was granted, but there is no refresh token: the session ends with its access token. */
  | 'no-refresh-token'
  /** `openid` was granted, but there is no id_token. */
  | 'no-id-token'
  /** Less was granted than asked for. */
  | 'scope-reduced'

export interface SessionOptions extends ConnectionOptions {
  /** How the client proves itself. Default: a public client, or as it has registered itself. */
  readonly proof?: ClientProof
  /** Origins that may receive the token, besides the origin of the FHIR base URL. */
  readonly resourceOrigins?: readonly string[]
  /** Default `login`. */
  readonly uncertainRefresh?: UncertainRefresh
}

/** The secrets of a session. Whoever has them can act as the person. */
export interface SessionSecrets {
  readonly accessToken?: string
  readonly refreshToken?: string
  readonly idToken?: string
}

/** A person's login, and the source of its tokens. It shows no token unless asked. */
export interface Session extends TokenSource {
  readonly fhirBaseUrl: string
  readonly account: string
  readonly clientId: string
  /** The patient this session is about. */
  readonly patient: string | undefined
  readonly patientSource: PatientSource | undefined
  readonly encounter: string | undefined
  /** The person, as the verified id_token says: a FHIR URL, absolute or relative to `fhirBaseUrl`. */
  readonly fhirUser: string | undefined
  readonly intent: string | undefined
  readonly tenant: string | undefined
  /** Granted scopes. */
  readonly scope: string
  readonly askedScope: string
  /** Verified. */
  readonly claims: IdTokenClaims | undefined
  /** Every member of the token answer besides the tokens, unknown ones included. */
  readonly context: Readonly<Record<string, unknown>>
  /** Milliseconds since 1970. */
  readonly loggedInAt: number
  readonly expiresAt: number | undefined
  readonly notices: readonly SessionNotice[]
  /** Makes the session about another patient, or about none; needs no new login. Remembered. */
  setPatient(id: string | undefined): Promise<void>
  /** Gives the tokens out, for a bridge to another system. */
  secrets(): SessionSecrets
  /**
   * Ends the session: revokes its tokens where the server takes that, and removes it from the store. Resolves with
   * what became of the tokens at the server: `revoked`, or `left`.
   */
  end(): Promise<'revoked' | 'left'>
}

export interface SessionReference {
  readonly store: SecretStore
  readonly fhirBaseUrl: string
  /** Default `default`. */
  readonly account?: string
}

/** Makes the session object around a stored login. */
export function createSession(first: SessionRecord, store: SecretStore, options: SessionOptions): Session {
  let record = first
  const { fhirBaseUrl, account } = first
  const id = sessionId(fhirBaseUrl, account)
  const now = (): number => (options.now ?? Date.now)()
  const renew = sessionRenewal(first, {
    store,
    proof: options.proof,
    connection: options,
    uncertainRefresh: options.uncertainRefresh ?? 'login',
    onRecord: (next) => {
      record = next
    },
  })
  const guard = resourceGuard({
    fhirBaseUrl,
    ...(options.resourceOrigins === undefined ? {} : { resourceOrigins: options.resourceOrigins }),
  })
  const cache = createTokenCache({
    guard,
    now,
    random: () => (options.random ?? Math.random)(),
    async request(_signal, need) {
      try {
        return await renew(need)
      } catch (error) {
        // What is not stored any more must not be given out from memory either.
        if (record.token === undefined) cache.clear()
        throw asTokenError(error)
      }
    },
  })
  const text = (name: string): string | undefined => {
    const value = record.context[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const claim = (name: string): string | undefined => {
    const value = record.claims?.[name]
    return typeof value === 'string' ? value : undefined
  }

  return {
    fhirBaseUrl,
    account,
    clientId: first.clientId,
    get patient() {
      return record.patient?.id
    },
    get patientSource() {
      return record.patient?.source
    },
    get encounter() {
      return text('encounter')
    },
    get fhirUser() {
      return [claim('fhirUser'), claim('profile')].find(isPerson)
    },
    get intent() {
      return text('intent')
    },
    get tenant() {
      return text('tenant')
    },
    get scope() {
      return record.scope
    },
    askedScope: first.askedScope,
    get claims() {
      return record.claims
    },
    get context() {
      return record.context
    },
    loggedInAt: first.loggedInAt,
    get expiresAt() {
      return record.token?.expiresAt
    },
    get notices() {
      return noticesOf(record)
    },
    async getToken(request) {
      const token = await cache.getToken(request)
      const { patient: _old, ...rest } = token
      return Object.freeze({
        ...rest,
        ...(record.patient === undefined ? {} : { patient: record.patient.id }),
      })
    },
    setPatient: (patient) =>
      store.lock(id, async () => {
        const stored = await loadSession(store, id)
        if (stored === undefined || !isSameLogin(record, stored)) throw loginRequired('has ended')
        const { patient: _old, ...rest } = stored
        record = await saveSession(
          store,
          patient === undefined ? rest : { ...rest, patient: { id: checkId(patient), source: 'chosen' } },
        )
      }),
    secrets: () => ({
      ...(record.token === undefined ? {} : { accessToken: record.token.value }),
      ...(record.refreshToken === undefined ? {} : { refreshToken: record.refreshToken }),
      ...(record.idToken === undefined ? {} : { idToken: record.idToken }),
    }),
    end: () =>
      store.lock(id, async () => {
        const stored = (await loadSession(store, id).catch(() => undefined)) ?? record
        cache.clear()
        // Of a later login in the same place nothing is ended.
        if (!isSameLogin(record, stored)) return revokeTokens(record, options)
        const done = await revokeTokens(stored, options)
        await store.delete(id)
        return done
      }),
  }
}

/** A person as SMART knows them; `profile` of older servers may also be the address of any page. */
function isPerson(value: string | undefined): boolean {
  return /(?:^|\/)(?:Patient|Practitioner|PractitionerRole|RelatedPerson|Person)\/[A-Za-z0-9.-]{1,64}$/.test(
    value ?? '',
  )
}

function checkId(id: string): string {
  if (isId(id)) return id
  throw new AuthError('ERR_INVALID_OPTIONS', 'This is no id of a patient', {
    hint: 'Give the id alone, not a reference.',
  })
}

function noticesOf(record: SessionRecord): readonly SessionNotice[] {
  const granted = splitScopes(record.scope)
  const notices: SessionNotice[] = []
  const offline = granted.includes('offline_access') || granted.includes('online_access')
  if (offline && record.refreshToken === undefined) notices.push('no-refresh-token')
  if (granted.includes('openid') && record.claims === undefined) notices.push('no-id-token')
  if (compareScopes(record.askedScope, granted).missing.length > 0) notices.push('scope-reduced')
  return notices
}

/** The refresh token first: it is what could be used for long. Nobody's leaving stops it. */
export async function revokeTokens(
  record: SessionRecord,
  options: SessionOptions,
): Promise<'revoked' | 'left'> {
  const proof = proofFor(record, options.proof)
  const { fetch, now, timeoutMs, trace } = options
  const { revocationEndpoint, tokenEndpoint } = record.endpoints
  if (revocationEndpoint === undefined) return 'left'
  const tokens = [
    { token: record.refreshToken, hint: 'refresh_token' as const },
    { token: record.token?.value, hint: 'access_token' as const },
  ]
  try {
    for (const { token, hint } of tokens) {
      if (token === undefined) continue
      const { clientId } = record
      await revoke(token, {
        ...omitUndefined({ fetch, now, timeoutMs, trace, proof }),
        revocationEndpoint,
        tokenEndpoint,
        clientId,
        tokenTypeHint: hint,
      })
    }
    return 'revoked'
  } catch {
    return 'left'
  }
}

/**
 * The session of an earlier login, with no request; undefined when there is none.
 *
 * Errors: `ERR_CREDENTIALS_UNREADABLE`, `ERR_INVALID_OPTIONS`.
 */
export async function restoreSession(
  reference: SessionReference,
  options: SessionOptions = {},
): Promise<Session | undefined> {
  const record = await storedLogin(reference)
  return record === undefined ? undefined : createSession(record, reference.store, options)
}

export async function storedLogin({
  store,
  fhirBaseUrl,
  account = 'default',
}: SessionReference): Promise<SessionRecord | undefined> {
  checkStore(store)
  const base = parseFhirBase(fhirBaseUrl).href.replace(/\/+$/, '')
  return loadSession(store, sessionId(base, account))
}

/** The sessions in a store, by server and account. */
export async function listSessions(
  store: SecretStore,
): Promise<readonly { readonly fhirBaseUrl: string; readonly account: string }[]> {
  return (await store.ids()).flatMap((id) => {
    const match = /^session:([^:]*):(.+)$/.exec(id)
    const [, account, fhirBaseUrl] = match ?? []
    return account === undefined || fhirBaseUrl === undefined ? [] : [{ account, fhirBaseUrl }]
  })
}
