import { AuthError } from './errors.js'
import { secretAuth, type BasicEncoding } from './internal/client-auth.js'
import { clientCredentialsGrant } from './internal/grants.js'
import { resourceGuard, serverEndpoints } from './internal/server-endpoints.js'
import { createTokenCache } from './internal/token-cache.js'
import { asTokenError } from './internal/token-failure.js'
import { requestToken } from './internal/token-request.js'
import type { AuthProfile, ConnectionOptions, ServerOptions, TokenSource } from './types.js'

export type { BasicEncoding }

export interface ClientCredentialsOptions extends ServerOptions, ConnectionOptions {
  readonly clientId: string
  readonly clientSecret: string
  readonly scope?: string
  /** Default `raw`, or `form` in the `c3-pro` profile. */
  readonly basicEncoding?: BasicEncoding
  /** Default `header` (HTTP Basic). */
  readonly secretIn?: 'header' | 'body'
  /** Default `smart`. */
  readonly profile?: AuthProfile
  /** Sent as `aud` when given; some servers want the FHIR base URL there. */
  readonly audience?: string
}

/**
 * A token source for a client with a secret (client_credentials grant).
 *
 * Throws `ERR_INVALID_OPTIONS` and `ERR_INSECURE_URL` at once; nothing is requested before the first
 * `getToken`.
 *
 * @example
 * const tokens = clientCredentials({ fhirBaseUrl: 'https://fhir.example.org/r4', clientId, clientSecret })
 */
export function clientCredentials(options: ClientCredentialsOptions): TokenSource {
  const { clientId, clientSecret, audience, scope } = options
  const profile = options.profile ?? 'smart'
  for (const [name, value] of Object.entries({ clientId, clientSecret })) {
    if (typeof value !== 'string' || value === '') {
      throw new AuthError('ERR_INVALID_OPTIONS', `${name} is empty`, {
        hint: 'Give the client id and secret.',
      })
    }
  }
  const endpoints = serverEndpoints(options, options)
  const auth = secretAuth({
    clientId,
    clientSecret,
    basicEncoding: options.basicEncoding ?? (profile === 'c3-pro' ? 'form' : 'raw'),
    secretIn: options.secretIn ?? 'header',
  })
  return createTokenCache({
    guard: resourceGuard(options),
    now: () => (options.now ?? Date.now)(),
    random: () => (options.random ?? Math.random)(),
    async request(signal) {
      try {
        const tokenEndpoint = await endpoints.tokenEndpoint(signal)
        const secrets = [clientSecret]
        return await requestToken(
          {
            grant: clientCredentialsGrant(),
            tokenEndpoint,
            clientId,
            auth,
            scope,
            audience,
            profile,
            secrets,
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
