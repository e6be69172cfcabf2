import { createClientKey, type ClientKey } from '../client-key.js'
import type { StoredClient } from '../credential-store.js'
import { AuthError } from '../errors.js'
import { registerClient, type RegisteredClient } from '../register-client.js'
import type { RegistrationAddition, RegistrationMethod } from '../registration-method.js'
import type { ConnectionOptions } from '../types.js'
import { omitUndefined } from './omit-undefined.js'
import { safeCause } from './redact.js'

export interface ClientRegistrarOptions {
  readonly method: RegistrationMethod
  readonly server: string
  readonly clientName: string
  readonly scope: string
  readonly metadata: Readonly<Record<string, unknown>>
  /** Resolves with the registration endpoint, and whether the app itself configured it. */
  readonly endpoint: () => Promise<{ readonly url: string; readonly trusted: boolean }>
  readonly connection: ConnectionOptions
}

function failed(message: string, hint: string, cause?: Error): AuthError {
  return new AuthError('ERR_REGISTRATION_FAILED', message, {
    hint,
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Registers one client and turns the answer into what is stored. */
export async function registerNewClient(
  options: ClientRegistrarOptions,
  replacements: number,
): Promise<StoredClient> {
  const { method, connection } = options
  const { url, trusted } = await options.endpoint()
  const key = method.credential === 'key' ? await createClientKey() : undefined
  const addition = await prepare(method, url, key)
  const { headers, initialAccessToken, secrets } = addition
  const confidential = headers ?? initialAccessToken ?? secrets
  if (confidential !== undefined && !trusted) {
    throw new AuthError('ERR_WRONG_ORIGIN', 'The discovered registration endpoint is on another origin', {
      hint: 'Give registrationEndpoint yourself if the proof of registration may be sent there.',
    })
  }
  const registered = await registerClient({
    ...omitUndefined({ headers, initialAccessToken, secrets }),
    ...omitUndefined({ fetch: connection.fetch, now: connection.now, timeoutMs: connection.timeoutMs }),
    registrationEndpoint: url,
    profile: method.profile,
    metadata: requestMembers(options, addition, key),
  })
  return {
    ...credentials(registered, key, url),
    version: 1,
    server: options.server,
    clientId: registered.clientId,
    registeredAt: (connection.now ?? Date.now)(),
    confirmed: false,
    replacements,
    ...omitUndefined({
      scope: registered.scope === '' ? undefined : registered.scope,
      registrationClientUri: registered.registrationClientUri,
      registrationAccessToken: registered.registrationAccessToken,
    }),
  }
}

async function prepare(
  method: RegistrationMethod,
  registrationEndpoint: string,
  key: ClientKey | undefined,
): Promise<RegistrationAddition> {
  try {
    return await method.prepare({
      registrationEndpoint,
      ...(key === undefined ? {} : { keyThumbprint: key.kid }),
    })
  } catch (error) {
    if (error instanceof AuthError) throw error
    throw failed(
      'The proof for the registration could not be made',
      'See the cause: the registration method failed.',
      safeCause(error),
    )
  }
}

function requestMembers(
  options: ClientRegistrarOptions,
  addition: RegistrationAddition,
  key: ClientKey | undefined,
): Record<string, unknown> {
  return {
    client_name: options.clientName,
    scope: options.scope,
    grant_types: ['client_credentials'],
    // RFC 7591 defaults to the code flow: a client without redirects must say that it has none.
    ...(key === undefined ? {} : { response_types: [], redirect_uris: [] }),
    ...options.metadata,
    ...addition.members,
    ...(key === undefined
      ? { token_endpoint_auth_method: 'client_secret_basic' }
      : {
          token_endpoint_auth_method: 'private_key_jwt',
          token_endpoint_auth_signing_alg: key.alg,
          jwks: { keys: [key.publicJwk] },
        }),
  }
}

/** What the client authenticates with from now on. The server may have decided differently from the request. */
function credentials(
  registered: RegisteredClient,
  key: ClientKey | undefined,
  url: string,
): Pick<StoredClient, 'authMethod' | 'clientSecret' | 'clientSecretExpiresAt' | 'key'> {
  const { origin, pathname } = new URL(url)
  if (registered.grantTypes !== undefined && !registered.grantTypes.includes('client_credentials')) {
    throw failed(
      `${origin}${pathname} registered the client without client_credentials`,
      'Have the server allow this grant to clients that register themselves.',
    )
  }
  const asked = key === undefined ? 'client_secret_basic' : 'private_key_jwt'
  const authMethod = registered.tokenEndpointAuthMethod ?? asked
  if (authMethod === 'private_key_jwt' && key !== undefined) {
    const { alg, kid, privateJwk } = key
    return { authMethod, key: { alg, kid, privateJwk } }
  }
  const { clientSecret, clientSecretExpiresAt } = registered
  const bySecret = authMethod === 'client_secret_basic' || authMethod === 'client_secret_post'
  if (bySecret && clientSecret !== undefined) {
    return { authMethod, clientSecret, ...omitUndefined({ clientSecretExpiresAt }) }
  }
  throw failed(
    `${origin}${pathname} registered the client without credentials it could use`,
    `Have the server register clients with ${asked}.`,
  )
}
