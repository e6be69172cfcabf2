import { discover, type SmartConfiguration } from '../discover.js'
import { AuthError } from '../errors.js'
import type { ConnectionOptions, ServerOptions } from '../types.js'
import { assertSecure, parseFhirBase, parseUrlOption } from './url.js'

export interface ServerEndpoints {
  /** The token endpoint, letter by letter as given or as discovered: assertions name it in that form. */
  tokenEndpoint(signal?: AbortSignal): Promise<string>
  /** What the server says about itself; needs a FHIR base URL. */
  configuration(signal?: AbortSignal): Promise<SmartConfiguration>
  /** Makes the next call look again: the server may have moved. */
  forget(): void
}

/** Checks the addresses at once, and discovers on first use; a failed discovery is tried again next time. */
export function serverEndpoints(server: ServerOptions, connection: ConnectionOptions): ServerEndpoints {
  const given = server.tokenEndpoint
  if (given !== undefined) parseUrlOption(given, 'tokenEndpoint')
  const base = server.fhirBaseUrl === undefined ? undefined : parseFhirBase(server.fhirBaseUrl)
  if (given === undefined && base === undefined) {
    throw new AuthError('ERR_INVALID_OPTIONS', 'Neither fhirBaseUrl nor tokenEndpoint is given', {
      hint: 'Give one of them.',
    })
  }
  let known: SmartConfiguration | undefined

  async function configuration(signal?: AbortSignal): Promise<SmartConfiguration> {
    if (base === undefined) {
      throw new AuthError('ERR_INVALID_OPTIONS', 'Discovery needs fhirBaseUrl', { hint: 'Give fhirBaseUrl.' })
    }
    known ??= await discover(base.href, {
      ...(connection.fetch === undefined ? {} : { fetch: connection.fetch }),
      ...(connection.now === undefined ? {} : { now: connection.now }),
      ...(connection.timeoutMs === undefined ? {} : { timeoutMs: connection.timeoutMs }),
      ...(connection.trace === undefined ? {} : { trace: connection.trace }),
      ...(server.endpointOrigins === undefined ? {} : { endpointOrigins: server.endpointOrigins }),
      ...(signal === undefined ? {} : { signal }),
    })
    return known
  }

  return {
    configuration,
    async tokenEndpoint(signal) {
      return given ?? (await configuration(signal)).tokenEndpoint
    },
    forget() {
      known = undefined
    },
  }
}

/** Refuses to give a token to a URL outside the allowed origins, or to one that would expose it. */
export function resourceGuard(server: ServerOptions): (url: string) => void {
  const own = server.fhirBaseUrl === undefined ? [] : [parseFhirBase(server.fhirBaseUrl).origin]
  const more = (server.resourceOrigins ?? []).map((text) => parseUrlOption(text, 'resourceOrigins').origin)
  const origins = new Set([...own, ...more])
  return (text) => {
    if (!URL.canParse(text)) {
      throw new AuthError('ERR_INVALID_OPTIONS', 'The url that a token is asked for is not absolute', {
        hint: 'Pass the full request URL to getToken.',
      })
    }
    const url = new URL(text)
    url.hash = ''
    assertSecure(url, 'The URL that a token is asked for')
    if (origins.size > 0 && !origins.has(url.origin)) {
      throw new AuthError('ERR_WRONG_ORIGIN', `${url.origin} may not receive this token`, {
        hint: 'Send the request to the server the token is for, or list its origin in resourceOrigins.',
      })
    }
  }
}
