import { AuthError } from '../errors.js'
import type { ServerOptions } from '../types.js'
import type { ServerEndpoints } from './server-endpoints.js'
import { parseUrlOption } from './url.js'

/**
 * The `aud` of an assertion: the token endpoint (what SMART says), the issuer that the server states (newer
 * OAuth profiles), or a fixed text. Always one string, never a list.
 */
export type AssertionAudience = 'token_endpoint' | 'issuer' | (string & {})

/** Checks the option at once; what must be asked of the server is asked when it is needed. */
export function audienceResolver(
  options: ServerOptions & { readonly assertionAudience?: AssertionAudience },
  endpoints: ServerEndpoints,
): (tokenEndpoint: string, signal: AbortSignal) => Promise<string> {
  const wanted = options.assertionAudience ?? 'token_endpoint'
  if (wanted === 'token_endpoint') {
    return async (tokenEndpoint) => tokenEndpoint
  }
  if (wanted !== 'issuer') return async () => wanted
  if (options.fhirBaseUrl === undefined) {
    throw new AuthError('ERR_INVALID_OPTIONS', "assertionAudience 'issuer' needs fhirBaseUrl", {
      hint: 'Give fhirBaseUrl, or the issuer itself as assertionAudience.',
    })
  }
  return async (_tokenEndpoint, signal) => {
    const { issuer } = await endpoints.configuration(signal)
    if (issuer === undefined) {
      throw new AuthError('ERR_INVALID_OPTIONS', 'The server states no issuer', {
        hint: 'Give the issuer itself as assertionAudience.',
      })
    }
    parseUrlOption(issuer, 'The issuer that the server states')
    return issuer
  }
}
