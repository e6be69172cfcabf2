import { authOf, proofFor, type ClientProof } from '../client-proof.js'
import { AuthError } from '../errors.js'
import { widenedScopes } from '../scopes.js'
import type { SecretLease, SecretStore } from '../secret-store.js'
import type { AccessToken, ConnectionOptions } from '../types.js'
import { refreshGrant } from './grants.js'
import { verifyIdToken } from './id-token.js'
import { remoteKeySet, type KeysFor } from './key-set.js'
import { isSameLogin, loadSession, saveSession, sessionId, type SessionRecord } from './session-record.js'
import { renewalTime, type IssuedToken, type TokenNeed } from './token-cache.js'
import { requestToken, type TokenAnswer } from './token-request.js'
import { tracer } from './trace.js'
import { isOffline } from './was-sent.js'

/**
 * What to do when nobody can know whether the server has used a refresh token up: `login` has the person log in
 * again; `resend` sends it once more with the next call. A server that rotates its refresh tokens may take a second
 * use for theft and end the session.
 */
export type UncertainRefresh = 'login' | 'resend'

export interface SessionTokensOptions {
  readonly store: SecretStore
  /** As the app gives it. */
  readonly proof: ClientProof | undefined
  readonly connection: ConnectionOptions
  readonly uncertainRefresh: UncertainRefresh
  /** Called with every state that is read or written. */
  readonly onRecord: (record: SessionRecord) => void
}

export function tokenOf(record: SessionRecord): AccessToken | undefined {
  const { token, scope, patient } = record
  if (token === undefined) return undefined
  return Object.freeze({
    value: token.value,
    type: 'Bearer',
    ...(token.expiresAt === undefined ? {} : { expiresAt: token.expiresAt }),
    scope,
    ...(patient === undefined ? {} : { patient: patient.id }),
  })
}

function issued(record: SessionRecord, overdue = false): IssuedToken {
  const token = tokenOf(record)
  if (token === undefined) throw loginRequired('has no access token')
  const { lifetimeMs } = record.token ?? {}
  return { token, ...(lifetimeMs === undefined ? {} : { lifetimeMs }), ...(overdue ? { overdue } : {}) }
}

export function loginRequired(reason: string): AuthError {
  return new AuthError('ERR_LOGIN_REQUIRED', `The session ${reason}`, {
    hint: 'Have the person log in again.',
  })
}

/**
 * Renews the token of a session: one caller at a time across instances, tabs and processes; whoever comes second
 * finds what the first has brought. What the server gives is on the disk before anybody sees it.
 */
export function sessionRenewal(
  first: SessionRecord,
  options: SessionTokensOptions,
): (need: TokenNeed) => Promise<IssuedToken> {
  const { store, connection, onRecord } = options
  const id = sessionId(first.fhirBaseUrl, first.account)
  const now = (): number => (connection.now ?? Date.now)()
  const trace = tracer(connection)
  const { issuer, jwksUri } = first.endpoints
  const keys: KeysFor | undefined = jwksUri === undefined ? undefined : remoteKeySet(jwksUri, connection)
  /** Learnt from the server and not stored yet; saving is tried again before anything else. */
  let unsaved: SessionRecord | undefined
  /** As last read or written. */
  let latest = first

  function isFresh({ token }: SessionRecord, { refused, held }: TokenNeed): boolean {
    if (token === undefined || token.value === refused || token.value === held) return false
    const { expiresAt, lifetimeMs } = token
    return (
      expiresAt === undefined ||
      lifetimeMs === undefined ||
      now() < renewalTime(expiresAt, lifetimeMs, () => 0)
    )
  }

  function isUsable({ token }: SessionRecord, { refused }: TokenNeed): boolean {
    return token !== undefined && token.value !== refused && (token.expiresAt ?? Infinity) > now()
  }

  async function save(record: SessionRecord): Promise<SessionRecord> {
    const saved = await saveSession(store, record)
    latest = saved
    onRecord(saved)
    return saved
  }

  /** What could not be stored goes first, unless somebody has moved on meanwhile. */
  async function current(): Promise<SessionRecord> {
    const stored = await loadSession(store, id)
    if (stored === undefined) throw loginRequired('has ended')
    if (!isSameLogin(latest, stored)) throw loginRequired('has been replaced by another login in its place')
    const pending = unsaved
    if (pending === undefined) return stored
    const saved = stored.generation === pending.generation ? await save(pending) : stored
    unsaved = undefined
    return saved
  }

  return (need) =>
    store.lock(id, async (lease) => {
      const record = await current()
      latest = record
      onRecord(record)
      if (isFresh(record, need)) {
        trace('token-adopted')
        return issued(record)
      }
      try {
        return issued(await refresh(record, lease))
      } catch (error) {
        // An answer that was refused has taken the old token with it.
        if (error instanceof AuthError && isUsable(latest, need)) {
          trace('token-renewal', { code: error.code, detail: 'failed, old token kept' })
          return issued(latest, true)
        }
        throw error
      }
    })

  async function refresh(record: SessionRecord, lease: SecretLease): Promise<SessionRecord> {
    const { refreshToken, refreshBegunAt } = record
    if (refreshToken === undefined) throw loginRequired('cannot be renewed: the server gave no refresh token')
    if (refreshBegunAt !== undefined) {
      // A crash or a lost answer: the server may have used the refresh token up.
      trace('token-uncertain', { detail: options.uncertainRefresh })
      if (options.uncertainRefresh === 'login') throw uncertain()
    }
    if (isOffline()) {
      throw new AuthError('ERR_AUTH_UNREACHABLE', 'This device has no network', {
        hint: 'Try later.',
        arrived: 'no',
      })
    }
    trace('token-renewal', { detail: 'begun' })
    const marked = await save({ ...record, refreshBegunAt: now() })
    let answer: TokenAnswer
    try {
      answer = await ask(marked, refreshToken)
    } catch (error) {
      throw await refused(error, marked)
    }
    const next = await renewed(marked, answer).catch(async (error: unknown) => {
      await save(withoutTokens(marked, answer, error))
      throw error
    })
    if (!(await lease.stillHeld())) await checkNobodyElse(marked)
    try {
      return await save(next)
    } catch (error) {
      unsaved = next
      throw error
    }
  }

  /** Our lock was taken over while we waited for the server: what the other one has stored counts. */
  async function checkNobodyElse(marked: SessionRecord): Promise<void> {
    const stored = await loadSession(store, id)
    if (stored?.generation === marked.generation) return
    throw new AuthError('ERR_AUTH_UNREACHABLE', 'Another process has taken over the session', {
      hint: 'Try again.',
    })
  }

  async function ask(record: SessionRecord, refreshToken: string): Promise<TokenAnswer> {
    const { clientId, endpoints } = record
    const { tokenEndpoint } = endpoints
    const proof = proofFor(record, options.proof)
    return requestToken(
      {
        grant: refreshGrant(refreshToken),
        tokenEndpoint,
        clientId,
        auth: authOf(proof, { clientId, audience: tokenEndpoint, connection }),
        scope: undefined,
        audience: undefined,
        profile: 'smart',
        secrets: [refreshToken, ...(proof?.secrets ?? [])],
      },
      connection,
      // Nobody's leaving may cut off a request whose answer cannot be asked for again.
      undefined,
    )
  }

  /** Notes what a failure means for the refresh token, and gives the error to reject with. */
  async function refused(error: unknown, marked: SessionRecord): Promise<unknown> {
    if (error instanceof AuthError && error.arrived === 'maybe') {
      trace('token-uncertain', { detail: options.uncertainRefresh })
      return options.uncertainRefresh === 'login' ? uncertain(error) : error
    }
    const { refreshBegunAt: _begun, refreshToken, ...rest } = marked
    const dead = error instanceof AuthError && error.oauthError === 'invalid_grant'
    const next = dead || refreshToken === undefined ? rest : { ...rest, refreshToken }
    try {
      await save(next)
    } catch {
      // The mark must not make a token count as used up that was never sent. What the server said matters more now.
      unsaved = next
    }
    return error
  }

  /** Holds the answer against the login: a refresh never changes who, whose, or what for. */
  async function renewed(record: SessionRecord, answer: TokenAnswer): Promise<SessionRecord> {
    const { statedScope, idToken, members, token } = answer
    // A refresh may give less for once; the next may give all again.
    const { grantedScope = record.scope } = record
    if (statedScope !== undefined && widenedScopes(grantedScope, statedScope).length > 0) {
      throw loginRequired('was refreshed with more rights than were granted')
    }
    const patient = token.patient
    const server = record.patient?.source === 'server' ? record.patient.id : undefined
    if (patient !== undefined && server !== undefined && patient !== server) {
      throw loginRequired('was refreshed for another patient')
    }
    let { claims } = record
    if (idToken !== undefined && claims !== undefined && issuer !== undefined && keys !== undefined) {
      const fresh = await verifyIdToken(idToken, {
        issuer,
        keys,
        clientId: record.clientId,
        nonce: undefined,
        accessToken: token.value,
        algorithms: record.endpoints.idTokenAlgorithms,
        now: now(),
      })
      if (fresh.sub !== claims.sub) throw loginRequired('was refreshed for another person')
      claims = fresh
    }
    const { refreshBegunAt: _begun, ...rest } = record
    return {
      ...rest,
      grantedScope,
      scope: statedScope ?? record.scope,
      token: {
        value: token.value,
        ...(token.expiresAt === undefined ? {} : { expiresAt: token.expiresAt }),
        ...(answer.lifetimeMs === undefined ? {} : { lifetimeMs: answer.lifetimeMs }),
      },
      ...(answer.refreshToken === undefined ? {} : { refreshToken: answer.refreshToken }),
      ...(idToken === undefined || claims === record.claims ? {} : { idToken }),
      ...(claims === undefined ? {} : { claims }),
      context: { ...record.context, ...members },
    }
  }
}

function uncertain(cause?: AuthError): AuthError {
  return new AuthError('ERR_LOGIN_REQUIRED', 'The answer to a refresh was lost', {
    hint: "Have the person log in again, or allow uncertainRefresh: 'resend'.",
    ...(cause === undefined ? {} : { cause }),
    arrived: 'maybe',
  })
}

/**
 * What is left when an answer cannot be trusted: nothing. Only when it could not be checked now, the refresh token
 * stays, for another answer that can be.
 */
function withoutTokens(record: SessionRecord, answer: TokenAnswer, error: unknown): SessionRecord {
  const { token: _token, refreshToken, refreshBegunAt: _begun, ...rest } = record
  const unchecked = error instanceof AuthError && error.code === 'ERR_AUTH_UNREACHABLE'
  const next = answer.refreshToken ?? refreshToken
  return unchecked && next !== undefined ? { ...rest, refreshToken: next } : rest
}
