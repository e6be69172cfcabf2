import { isObject, parseJson, plainCopy, type JsonObject } from '../json.js'
import { jsonReply, mediaType, type Call } from '../server/call.js'
import type { AuthMethod, Credentials, GrantType, MockClient, MockToken } from './credentials.js'
import { sameText } from './credentials.js'
import { OauthProblem } from './oauth-problem.js'
import type { AuthParts } from './parts.js'
import { isKnownScope, parseScope, registerScope, splitScope } from './scopes.js'

/** What a client may have that named no scope. */
export function defaultScope(grantTypes: readonly GrantType[]): string {
  return grantTypes.includes('authorization_code')
    ? `openid fhirUser profile launch launch/patient launch/encounter offline_access online_access patient/*.* user/*.* ${registerScope}`
    : 'system/*.*'
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']
/** Members a client may not send: the server alone issues them (RFC 7592 section 2.2). */
const issuedMembers = [
  'client_id_issued_at',
  'client_secret_expires_at',
  'registration_access_token',
  'registration_client_uri',
]
export const jwtBearer: Extract<GrantType, `urn:${string}`> = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const grantTypes: readonly GrantType[] = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  jwtBearer,
]
export const authMethods: readonly AuthMethod[] = [
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
]

function invalidMetadata(description: string): OauthProblem {
  return new OauthProblem(400, 'invalid_client_metadata', description)
}

function readMetadata(call: Call): JsonObject {
  const body = mediaType(call.headers) === 'application/json' ? parseJson(call.body) : undefined
  if (!isObject(body)) throw invalidMetadata('Send client metadata as a JSON object.')
  return plainCopy(body)
}

function checkJwks(value: unknown): { readonly keys: readonly JsonObject[] } {
  const keys = isObject(value) ? value['keys'] : undefined
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every(isObject)) {
    throw invalidMetadata('private_key_jwt and jwt-bearer need `jwks` with at least one key.')
  }
  for (const key of keys) {
    if (typeof key['kid'] !== 'string') throw invalidMetadata('Every key needs a kid.')
    if (privateMembers.some((member) => member in key)) throw invalidMetadata('A key holds private members.')
  }
  return { keys }
}

function checkGrants(value: unknown): readonly GrantType[] {
  if (value === undefined) return ['client_credentials']
  const known = (item: unknown): item is GrantType => (grantTypes as readonly unknown[]).includes(item)
  if (!Array.isArray(value) || value.length === 0 || !value.every(known)) {
    throw invalidMetadata('grant_types holds something that the token endpoint does not know.')
  }
  // Without a login there is nothing to refresh.
  const useful = value.includes('authorization_code') ? value : value.filter((one) => one !== 'refresh_token')
  if (useful.length === 0) throw invalidMetadata('refresh_token alone begins nothing.')
  return useful
}

function checkRedirects(value: unknown, needed: boolean): readonly string[] {
  if (!needed && (value === undefined || (Array.isArray(value) && value.length === 0))) return []
  const usable = (item: unknown): item is string => {
    if (typeof item !== 'string' || !URL.canParse(item)) return false
    const { protocol, hostname, hash } = new URL(item)
    const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
    return (
      hash === '' &&
      (protocol === 'https:' ||
        (protocol === 'http:' && loopback) ||
        /^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+:$/.test(protocol))
    )
  }
  if (!Array.isArray(value) || value.length === 0 || !value.every(usable)) {
    throw new OauthProblem(
      400,
      'invalid_redirect_uri',
      'redirect_uris must be https, loopback, or an app of its own.',
    )
  }
  return value
}

type Registered = Pick<
  MockClient,
  'tokenEndpointAuthMethod' | 'scope' | 'metadata' | 'grantTypes' | 'redirectUris' | 'jwks'
>

function checkMetadata(metadata: JsonObject): Registered {
  const grants = checkGrants(metadata['grant_types'])
  const method = metadata['token_endpoint_auth_method'] ?? 'client_secret_basic'
  const known = authMethods.find((one) => one === method)
  if (known === undefined)
    throw invalidMetadata('The token endpoint does not know this token_endpoint_auth_method.')
  if (known === 'none' && grants.includes('client_credentials')) {
    throw invalidMetadata('client_credentials needs a client that authenticates.')
  }
  const scope = metadata['scope'] ?? defaultScope(grants)
  if (typeof scope !== 'string' || !splitScope(scope).every(isKnownScope)) {
    throw invalidMetadata('scope holds something that is not known here.')
  }
  const interactive = grants.includes('authorization_code')
  if (
    !interactive &&
    splitScope(scope).some((part) => parseScope(part)?.level !== 'system') &&
    !grants.includes(jwtBearer)
  ) {
    throw invalidMetadata('scope must be system scopes where nobody logs in.')
  }
  const { client_id: _id, client_secret: _secret, software_statement: _statement, ...kept } = metadata
  const needsKeys = known === 'private_key_jwt' || grants.includes(jwtBearer)
  return {
    tokenEndpointAuthMethod: known,
    scope,
    metadata: kept,
    grantTypes: grants,
    redirectUris: checkRedirects(metadata['redirect_uris'], interactive),
    ...(needsKeys ? { jwks: checkJwks(metadata['jwks']) } : {}),
  }
}

function registrationReply(client: MockClient, call: Call, status: number): Response {
  return jsonReply(status, {
    ...client.metadata,
    client_id: client.clientId,
    ...(client.secret === undefined ? {} : { client_secret: client.secret, client_secret_expires_at: 0 }),
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
    grant_types: client.grantTypes,
    ...(client.grantTypes.includes('authorization_code') ? { response_types: ['code'] } : {}),
    scope: client.scope,
    registration_access_token: client.registrationToken,
    registration_client_uri: `${call.root}/auth/register/${encodeURIComponent(client.clientId)}`,
  })
}

function toClient(
  credentials: Credentials,
  clientId: string,
  registered: Registered,
  secret?: string,
): MockClient {
  const { tokenEndpointAuthMethod: method } = registered
  const withSecret = method === 'client_secret_basic' || method === 'client_secret_post'
  return {
    clientId,
    kind: 'smart',
    ...registered,
    ...(withSecret ? { secret: secret ?? credentials.newSecret() } : {}),
    registrationToken: credentials.newOpaque(),
  }
}

/** RFC 7591. Open to everybody; with the token of a launch that asked for it, a client of one device comes out. */
export function registerClient(parts: AuthParts, call: Call): Response {
  const { credentials } = parts
  const metadata = readMetadata(call)
  let client = toClient(credentials, parts.newId(), checkMetadata(metadata))
  if (client.grantTypes.includes(jwtBearer)) client = onBehalfOf(client, metadata, initialToken(parts, call))
  credentials.clients.set(client.clientId, client)
  return registrationReply(client, call, 201)
}

/** The access token that lets a device register (SMART protected dynamic registration). */
function initialToken({ credentials }: AuthParts, call: Call): MockToken {
  const token = credentials.fromHeader(call.headers.get('authorization'), call.now)
  if (token !== undefined && splitScope(token.scope).includes(registerScope)) return token
  throw new OauthProblem(401, 'invalid_token', `A token with the scope ${registerScope} is needed.`, {
    'www-authenticate': 'Bearer realm="registration", error="invalid_token"',
  })
}

function onBehalfOf(client: MockClient, metadata: JsonObject, token: MockToken): MockClient {
  if (metadata['software_id'] !== token.clientId) {
    throw invalidMetadata('software_id must be the client id of the app that was launched.')
  }
  const { username, patient, visible } = token
  const granted = splitScope(token.scope).filter((part) => parseScope(part) !== undefined)
  return {
    ...client,
    // No more than what the person agreed to.
    scope: granted.length > 0 ? granted.join(' ') : client.scope,
    onBehalf: {
      ...(username === undefined ? {} : { username }),
      ...(patient === undefined ? {} : { patient }),
      ...(visible === undefined ? {} : { visible }),
    },
  }
}

/** RFC 7592: read, replace and delete one's own registration. The management token changes with every update. */
export function manageRegistration({ credentials }: AuthParts, call: Call, clientId: string): Response {
  const client = credentials.clients.get(clientId)
  const [, token = ''] = /^bearer (\S+)$/i.exec(call.headers.get('authorization') ?? '') ?? []
  if (client?.registrationToken === undefined || !sameText(client.registrationToken, token)) {
    throw new OauthProblem(401, 'invalid_token', 'The registration access token is not valid.', {
      'www-authenticate': 'Bearer realm="registration", error="invalid_token"',
    })
  }
  switch (call.method) {
    case 'GET':
      return registrationReply(client, call, 200)
    case 'PUT': {
      const metadata = readMetadata(call)
      if (metadata['client_id'] !== clientId) throw invalidMetadata('client_id must be the registered one.')
      if (issuedMembers.some((member) => member in metadata)) {
        throw invalidMetadata('Members that the server issues may not be sent.')
      }
      if (metadata['client_secret'] !== undefined && metadata['client_secret'] !== client.secret) {
        throw invalidMetadata('A client may not choose its secret.')
      }
      const replaced = toClient(credentials, clientId, checkMetadata(metadata), client.secret)
      // What a person agreed to is not widened by an update.
      const next =
        client.onBehalf === undefined
          ? replaced
          : { ...replaced, scope: client.scope, onBehalf: client.onBehalf }
      credentials.clients.set(clientId, next)
      return registrationReply(next, call, 200)
    }
    case 'DELETE': {
      credentials.clients.delete(clientId)
      for (const issued of credentials.tokens.values()) {
        if (issued.clientId === clientId) credentials.tokens.delete(issued.token)
      }
      return new Response(null, { status: 204 })
    }
    default:
      throw new OauthProblem(405, 'invalid_request', 'Use GET, PUT or DELETE.', { allow: 'GET, PUT, DELETE' })
  }
}
