import { AuthError } from './errors.js'
import { audienceResolver, type AssertionAudience } from './internal/assertion-audience.js'
import { assertionMaker, randomTokenId } from './internal/assertion.js'
import { assertionAuth } from './internal/client-auth.js'
import { clientCredentialsGrant } from './internal/grants.js'
import { resourceGuard, serverEndpoints } from './internal/server-endpoints.js'
import { checkSigningKey, keyIdOf, type AssertionAlgorithm, type SigningKey } from './internal/signing-key.js'
import { createTokenCache } from './internal/token-cache.js'
import { asTokenError } from './internal/token-failure.js'
import { requestToken } from './internal/token-request.js'
import type { ConnectionOptions, ServerOptions, TokenSource } from './types.js'

export type { AssertionAudience }
export type { AssertionAlgorithm, ExternalSigner, SigningKey } from './internal/signing-key.js'

export interface BackendServicesOptions extends ServerOptions, ConnectionOptions {
  readonly clientId: string
  /** The private key whose public half is registered at the server. */
  readonly key: SigningKey
  /** Default `ES384`. */
  readonly alg?: AssertionAlgorithm
  /** Id of the key as registered. May be left out when a JWK brings its own. */
  readonly kid?: string
  /** For instance `system/Observation.c`. */
  readonly scope: string
  /** Default `token_endpoint`. */
  readonly assertionAudience?: AssertionAudience
  /** Makes each assertion's `jti`; must never repeat. Default: 128 random bits. */
  readonly randomId?: () => string
}

/**
 * A token source by SMART Backend Services: each token request carries a newly signed assertion, valid for
 * two and a half minutes.
 *
 * Throws `ERR_INVALID_OPTIONS`, `ERR_INVALID_KEY` and `ERR_INSECURE_URL` at once as far as they can be seen;
 * nothing is requested before the first `getToken`.
 *
 * @example
 * const tokens = backendServices({
 *   fhirBaseUrl: 'https://fhir.example.org/r4', clientId, key: privateJwk, scope: 'system/Observation.c',
 * })
 */
export function backendServices(options: BackendServicesOptions): TokenSource {
  const { clientId, key, scope } = options
  const alg = options.alg ?? 'ES384'
  if (clientId === '') {
    throw new AuthError('ERR_INVALID_OPTIONS', 'clientId is empty', { hint: 'Give the client id.' })
  }
  if (alg !== 'ES384' && alg !== 'RS384') {
    throw new AuthError('ERR_INVALID_OPTIONS', 'alg must be ES384 or RS384', { hint: 'Use ES384.' })
  }
  checkSigningKey(key, alg)
  const kid = options.kid ?? keyIdOf(key)
  if (kid === undefined || kid === '') {
    throw new AuthError('ERR_INVALID_OPTIONS', 'kid is missing', {
      hint: 'Give the id under which the public key is registered.',
    })
  }
  const endpoints = serverEndpoints(options, options)
  const audience = audienceResolver(options, endpoints)
  const makeAssertion = assertionMaker({
    clientId,
    key,
    alg,
    kid,
    now: () => (options.now ?? Date.now)(),
    randomId: () => (options.randomId ?? randomTokenId)(),
  })
  return createTokenCache({
    guard: resourceGuard(options),
    now: () => (options.now ?? Date.now)(),
    random: () => (options.random ?? Math.random)(),
    async request(signal) {
      try {
        const tokenEndpoint = await endpoints.tokenEndpoint(signal)
        const aud = await audience(tokenEndpoint, signal)
        const auth = assertionAuth(() => makeAssertion(aud))
        return await requestToken(
          {
            grant: clientCredentialsGrant(),
            tokenEndpoint,
            clientId,
            auth,
            scope,
            audience: undefined,
            profile: 'smart',
            secrets: [],
          },
          options,
          signal,
        )
      } catch (error) {
        endpoints.forget()
        throw asTokenError(error)
      }
    },
  })
}
