import {
  createClientKey,
  createClientKeyHandle,
  type ClientKey,
  type ClientKeyHandle,
} from '../client-key.js'
import type { StoredClient, StoredKey } from '../credential-store.js'
import { AuthError } from '../errors.js'
import { registerClient, type RegisteredClient } from '../register-client.js'
import type { RegistrationAddition, RegistrationMethod } from '../registration-method.js'
import type { ConnectionOptions } from '../types.js'
import { jwtBearer } from './grants.js'
import { omitUndefined } from './omit-undefined.js'
import { safeCause } from './redact.js'
import { tracer } from './trace.js'

export interface ClientRegistrarOptions {
  readonly method: RegistrationMethod
  readonly server: string
  readonly clientName: string
  readonly scope: string
  readonly metadata: Readonly<Record<string, unknown>>
  /** Resolves with the registration endpoint, and whether the app itself configured it. */
  readonly endpoint: () => Promise<{ readonly url: string; readonly trusted: boolean }>
  readonly connection: ConnectionOptions
  /** Whether the store keeps keys that cannot be exported. */
  readonly keepsKeyHandles: boolean
  /** Chooses another way to register, knowing where. */
  readonly choose?: (url: string) => RegistrationMethod | undefined | Promise<RegistrationMethod | undefined>
}

type NewKey = ClientKey | ClientKeyHandle

const grants: Readonly<Record<RegistrationMethod['credential'], string>> = {
  key: 'client_credentials',
  secret: 'client_credentials',
  'device-key': jwtBearer,
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
  const { connection } = options
  const { url, trusted } = await options.endpoint()
  const method = (await options.choose?.(url)) ?? options.method
  const key = await newKey(method, options.keepsKeyHandles)
  const addition = await prepare(method, url, key)
  const { headers, initialAccessToken, secrets, after } = addition
  const confidential = headers ?? initialAccessToken ?? secrets
  if (confidential !== undefined && !trusted) {
    throw new AuthError('ERR_WRONG_ORIGIN', 'The discovered registration endpoint is on another origin', {
      hint: 'Give registrationEndpoint yourself if the proof of registration may be sent there.',
    })
  }
  const { fetch, now, timeoutMs, trace } = connection
  const metadata = requestMembers(options, method, addition, key)
  let registered: RegisteredClient
  try {
    registered = await registerClient({
      ...omitUndefined({ headers, initialAccessToken, secrets, fetch, now, timeoutMs, trace }),
      registrationEndpoint: url,
      profile: method.profile,
      metadata,
    })
  } finally {
    // The token has done its work; a server that will not take it back must not undo the registration.
    await after?.().catch(() => undefined)
  }
  tracer(connection)('client-registered', { detail: method.credential })
  return {
    ...credentials(registered, method, key, url, metadata['token_endpoint_auth_method']),
    version: 1,
    server: options.server,
    clientId: registered.clientId,
    profile: method.profile,
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

async function newKey(method: RegistrationMethod, handles: boolean): Promise<NewKey | undefined> {
  if (method.credential === 'secret') return undefined
  return handles ? createClientKeyHandle() : createClientKey()
}

async function prepare(
  method: RegistrationMethod,
  registrationEndpoint: string,
  key: NewKey | undefined,
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
  method: RegistrationMethod,
  addition: RegistrationAddition,
  key: NewKey | undefined,
): Record<string, unknown> {
  return {
    client_name: options.clientName,
    scope: options.scope,
    grant_types: [grants[method.credential]],
    // RFC 7591 defaults to the code flow: a client without redirects must say that it has none.
    ...(key === undefined
      ? { token_endpoint_auth_method: 'client_secret_basic' }
      : { response_types: [], redirect_uris: [] }),
    ...options.metadata,
    ...addition.members,
    ...(key === undefined
      ? {}
      : {
          ...(method.credential === 'device-key'
            ? { token_endpoint_auth_method: 'none' }
            : { token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: key.alg }),
          jwks: { keys: [key.publicJwk] },
        }),
  }
}

/** What the client authenticates with from now on. The server may have decided differently from the request. */
function credentials(
  registered: RegisteredClient,
  method: RegistrationMethod,
  key: NewKey | undefined,
  url: string,
  asked: unknown,
): Pick<StoredClient, 'authMethod' | 'clientSecret' | 'clientSecretExpiresAt' | 'key'> {
  const { origin, pathname } = new URL(url)
  const grant = grants[method.credential]
  if (registered.grantTypes !== undefined && !registered.grantTypes.includes(grant)) {
    throw failed(
      `${origin}${pathname} registered the client without ${grant}`,
      'Have the server allow this grant to clients that register themselves.',
    )
  }
  const authMethod = registered.tokenEndpointAuthMethod ?? asked
  const byKey = method.credential === 'device-key' ? authMethod === 'none' : authMethod === 'private_key_jwt'
  if (byKey && key !== undefined) {
    return { authMethod: authMethod === 'none' ? 'none' : 'private_key_jwt', key: storedKey(key) }
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

function storedKey(key: NewKey): StoredKey {
  const { alg, kid } = key
  return 'handle' in key ? { alg, kid, handle: key.handle } : { alg, kid, privateJwk: key.privateJwk }
}
