import { authOf, proofFor } from './client-proof.js'
import { AuthError } from './errors.js'
import { checkCallback, callbackRefused, readCallback } from './internal/callback.js'
import { onlyVisiblePatient, patientIdOf } from './internal/fhir-read.js'
import { codeGrant } from './internal/grants.js'
import { verifyIdToken, type IdTokenClaims } from './internal/id-token.js'
import { remoteKeySet } from './internal/key-set.js'
import {
  parseTransaction,
  transactionId,
  transactionsIn,
  type LoginTransaction,
} from './internal/login-transaction.js'
import { loadSession, saveSession, sessionId, type SessionRecord } from './internal/session-record.js'
import { requestToken, type TokenAnswer } from './internal/token-request.js'
import { tracer } from './internal/trace.js'
import { createSession, revokeTokens, type Session, type SessionOptions } from './session.js'
import { splitScopes } from './scopes.js'
import { checkStore, type SecretStore } from './secret-store.js'

export interface CompleteLaunchOptions extends SessionOptions {
  /** The store that `beginLaunch` was given. */
  readonly store: SecretStore
  /** The whole address that the person came back to. */
  readonly callbackUrl: string
  readonly signal?: AbortSignal
}

/**
 * Completes a person's login: holds what came back against what was sent out, exchanges the code, verifies the id_token,
 * finds the patient as the mode says, and keeps the session. The login that the answer belongs to is used up, however
 * this ends.
 *
 * Errors: `ERR_CALLBACK_REFUSED` (unknown, used, late or forged answer; no token request was sent),
 * `ERR_AUTHORIZATION_REFUSED` (the server or the person said no; `oauthError`, `scopes`), `ERR_ID_TOKEN_REFUSED`,
 * `ERR_NO_SINGLE_PATIENT`, `ERR_LOGIN_REQUIRED` (the token endpoint refused the code), `ERR_AUTH_UNREACHABLE`,
 * `ERR_CREDENTIALS_UNREADABLE`, `ERR_CREDENTIALS_UNWRITABLE`.
 *
 * @example
 * const session = await completeLaunch({ store, callbackUrl: location.href })
 */
export async function completeLaunch(options: CompleteLaunchOptions): Promise<Session> {
  const { store, signal } = options
  checkStore(store)
  const now = (): number => (options.now ?? Date.now)()
  const trace = tracer(options)
  const callback = readCallback(options.callbackUrl)
  const noted = await transactionsIn(store, now).take(await transactionId(callback.state))
  if (noted === undefined) throw callbackRefused('belongs to no login of this place, or was used before')
  const transaction = parseTransaction(noted.data)
  const parameters = checkCallback(callback, transaction, now())
  trace('login-returned')
  const proof = proofFor(transaction, options.proof)
  const { clientId, endpoints, redirectUri, codeVerifier } = transaction
  const answer = await requestToken(
    {
      grant: codeGrant(parameters, redirectUri, codeVerifier),
      tokenEndpoint: endpoints.tokenEndpoint,
      clientId,
      auth: authOf(proof, { clientId, audience: endpoints.tokenEndpoint, connection: options }),
      scope: transaction.scope,
      audience: undefined,
      profile: 'smart',
      secrets: proof?.secrets ?? [],
    },
    options,
    signal,
  )
  let record = sessionRecord(transaction, answer, now())
  try {
    const claims = await claimsOf(answer, transaction, options)
    // What was not verified is not kept either.
    if (claims !== undefined && answer.idToken !== undefined)
      record = { ...record, idToken: answer.idToken, claims }
    record = await withPatient(record, options)
    const session = createSession(await keep(record, store), store, options)
    trace('login-completed')
    return session
  } catch (error) {
    // Nobody will use these tokens: they should not stay good.
    await revokeTokens(record, options)
    throw error
  }
}

async function keep(record: SessionRecord, store: SecretStore): Promise<SessionRecord> {
  const id = sessionId(record.fhirBaseUrl, record.account)
  return store.lock(id, async () => {
    const before = await loadSession(store, id).catch(() => undefined)
    return saveSession(store, { ...record, generation: before?.generation ?? 0 })
  })
}

async function claimsOf(
  answer: TokenAnswer,
  transaction: LoginTransaction,
  options: CompleteLaunchOptions,
): Promise<IdTokenClaims | undefined> {
  const { idToken, token } = answer
  const { endpoints, nonce, clientId } = transaction
  if (idToken === undefined || nonce === undefined) return undefined
  const { issuer, jwksUri, idTokenAlgorithms } = endpoints
  if (issuer === undefined || jwksUri === undefined) {
    throw new AuthError(
      'ERR_ID_TOKEN_REFUSED',
      'The server gave an id_token and states no issuer to check it with',
      {
        hint: 'Give the endpoints with issuer and jwksUri, or do not ask for openid.',
      },
    )
  }
  return verifyIdToken(idToken, {
    issuer,
    clientId,
    nonce,
    accessToken: token.value,
    algorithms: idTokenAlgorithms,
    keys: remoteKeySet(jwksUri, options),
    now: (options.now ?? Date.now)(),
  })
}

function sessionRecord(transaction: LoginTransaction, answer: TokenAnswer, now: number): SessionRecord {
  const { account, fhirBaseUrl, clientId, ownSecret, endpoints, audience, mode, scope } = transaction
  const { token, lifetimeMs, refreshToken, members } = answer
  return {
    version: 1,
    generation: 0,
    account,
    fhirBaseUrl,
    clientId,
    ...(ownSecret === undefined ? {} : { ownSecret }),
    endpoints,
    audience,
    mode,
    askedScope: scope,
    scope: token.scope ?? scope,
    token: {
      value: token.value,
      ...(token.expiresAt === undefined ? {} : { expiresAt: token.expiresAt }),
      ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
    },
    ...(refreshToken === undefined ? {} : { refreshToken }),
    context: members,
    ...(token.patient === undefined ? {} : { patient: { id: token.patient, source: 'server' as const } }),
    loggedInAt: now,
  }
}

/** In the mode for one patient, finds whose record this is, or fails. */
async function withPatient(record: SessionRecord, options: CompleteLaunchOptions): Promise<SessionRecord> {
  const trace = tracer(options)
  if (record.mode !== 'single-patient' || record.patient !== undefined) {
    trace('patient-resolved', { detail: record.patient?.source ?? 'none' })
    return record
  }
  const { fhirBaseUrl, claims, token } = record
  const own = patientIdOf(claims?.['fhirUser'] ?? claims?.['profile'], fhirBaseUrl)
  if (own !== undefined) {
    trace('patient-resolved', { detail: 'fhir-user' })
    return { ...record, patient: { id: own, source: 'fhir-user' } }
  }
  const read = {
    fhirBaseUrl,
    token: async () => token?.value ?? '',
    connection: options,
    signal: options.signal,
  }
  const only = await onlyVisiblePatient(read)
  if (only === undefined) {
    throw new AuthError('ERR_NO_SINGLE_PATIENT', 'This login is not about one patient', {
      hint: splitScopes(record.scope).includes('openid')
        ? "The server must name the patient, or link the person to a Patient; or use patientMode 'client-select'."
        : 'Ask for openid and fhirUser, and have the client registered for them.',
    })
  }
  trace('patient-resolved', { detail: 'only-visible' })
  return { ...record, patient: { id: only, source: 'only-visible' } }
}
