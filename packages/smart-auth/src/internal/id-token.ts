import { base64url, decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose'
import { AuthError } from '../errors.js'
import type { KeysFor } from './key-set.js'

/** Asymmetric algorithms only: a secret shared with the client proves nothing about the server. */
const trusted = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']

/** How far the clocks of server and device may differ. */
const clockToleranceSeconds = 120

export interface IdTokenExpectation {
  readonly issuer: string
  readonly clientId: string
  /** Undefined after a refresh, where the claim may be absent. */
  readonly nonce: string | undefined
  readonly accessToken: string
  /** As the server states them. */
  readonly algorithms: readonly string[] | undefined
  readonly keys: KeysFor
  readonly now: number
}

/** Claims of an id_token whose signature and claims have been checked. */
export interface IdTokenClaims extends JWTPayload {
  readonly iss: string
  readonly sub: string
}

function refused(reason: string): AuthError {
  return new AuthError('ERR_ID_TOKEN_REFUSED', `The id_token ${reason}`, {
    hint: 'Do not trust this login. If it happens again, report it to the operator of the server; check the clock of this device.',
  })
}

/**
 * Verifies an id_token (OpenID Connect Core 1.0, section 3.1.3.7): signature, issuer, audience, times, nonce and
 * `at_hash`. Keys named inside the token are never used.
 */
export async function verifyIdToken(idToken: string, expected: IdTokenExpectation): Promise<IdTokenClaims> {
  const stated = expected.algorithms
  const algorithms = stated === undefined ? trusted : trusted.filter((alg) => stated.includes(alg))
  const { clientId, issuer, now } = expected
  const options = {
    algorithms,
    issuer,
    audience: clientId,
    clockTolerance: clockToleranceSeconds,
    currentDate: new Date(now),
    requiredClaims: ['sub', 'exp', 'iat'],
  }
  const payload = await verified(idToken, expected.keys, options)
  const { sub, iat, aud, azp, nonce, at_hash: atHash } = payload
  if (typeof sub !== 'string' || sub === '') throw refused('names no subject')
  if (iat !== undefined && iat > now / 1000 + clockToleranceSeconds) throw refused('is dated ahead')
  if (Array.isArray(aud) && aud.length > 1 && azp === undefined) {
    throw refused('is for several audiences and names no authorized party')
  }
  if (azp !== undefined && azp !== clientId) throw refused('was made for another client')
  if (expected.nonce !== undefined && nonce !== expected.nonce) throw refused('does not answer this login')
  if (atHash !== undefined && atHash !== (await accessTokenHash(idToken, expected.accessToken))) {
    throw refused('does not belong to the access token')
  }
  return { ...payload, iss: issuer, sub }
}

async function verified(
  idToken: string,
  keys: KeysFor,
  options: Parameters<typeof jwtVerify>[2] & { readonly algorithms: readonly string[] },
): Promise<JWTPayload> {
  const { algorithms, ...rest } = options
  const candidates = await candidatesFor(idToken, keys, algorithms)
  let failure: unknown
  for (const key of candidates) {
    try {
      return (await jwtVerify(idToken, key, { ...rest, algorithms: [...algorithms] })).payload
    } catch (error) {
      failure = error
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) break
    }
  }
  throw refused(reasonOf(failure))
}

async function candidatesFor(
  idToken: string,
  keys: KeysFor,
  algorithms: readonly string[],
): Promise<Awaited<ReturnType<KeysFor>>> {
  const [head, body, signature, ...more] = idToken.split('.')
  let header: ReturnType<typeof decodeProtectedHeader>
  try {
    header = decodeProtectedHeader(idToken)
  } catch {
    throw refused('is not a signed token')
  }
  if (head === undefined || body === undefined || signature === undefined || more.length > 0) {
    throw refused('is not a signed token')
  }
  const { alg } = header
  // Before any key is looked for: "none" and HMAC never get that far.
  if (alg === undefined || !algorithms.includes(alg))
    throw refused('is signed with an algorithm that is not allowed')
  let found: Awaited<ReturnType<KeysFor>>
  try {
    found = await keys({ ...header, alg }, { protected: head, payload: body, signature })
  } catch (error) {
    if (error instanceof AuthError) throw error
    throw refused('is signed with a key that cannot be used')
  }
  if (found.length === 0) throw refused('is signed with a key that the server does not publish')
  return found
}

function reasonOf(failure: unknown): string {
  if (failure instanceof errors.JWTExpired) return 'has expired'
  if (failure instanceof errors.JWTClaimValidationFailed) {
    // Names of registered claims only; never their values.
    return /^[a-z_]{1,12}$/.test(failure.claim)
      ? `has a wrong or missing ${failure.claim}`
      : 'has wrong claims'
  }
  return 'has a wrong signature or form'
}

async function accessTokenHash(idToken: string, accessToken: string): Promise<string> {
  const bits = /(256|384|512)$/.exec(decodeProtectedHeader(idToken).alg ?? '')?.[1] ?? '256'
  const digest = await crypto.subtle.digest(`SHA-${bits}`, new TextEncoder().encode(accessToken))
  return base64url.encode(new Uint8Array(digest).slice(0, digest.byteLength / 2))
}
