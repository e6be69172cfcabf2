import { isObject, parseJson, type JsonObject } from '../json.js'
import { jsonReply, mediaType, type Call } from '../server/call.js'
import { sameText, type Credentials, type MockClient } from './credentials.js'
import { OauthProblem } from './oauth-problem.js'
import { parseSystemScope, splitScope } from './scopes.js'

export const defaultScope = 'system/*.*'
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']
/** Members a client may not send: the server alone issues them (RFC 7592 section 2.2). */
const issuedMembers = [
  'client_id_issued_at',
  'client_secret_expires_at',
  'registration_access_token',
  'registration_client_uri',
]

function invalidMetadata(description: string): OauthProblem {
  return new OauthProblem(400, 'invalid_client_metadata', description)
}

function readMetadata(call: Call): JsonObject {
  const body = mediaType(call.headers) === 'application/json' ? parseJson(call.body) : undefined
  if (!isObject(body)) throw invalidMetadata('Send client metadata as a JSON object.')
  return body
}

function checkJwks(value: unknown): { readonly keys: readonly JsonObject[] } {
  const keys = isObject(value) ? value['keys'] : undefined
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every(isObject)) {
    throw invalidMetadata('private_key_jwt needs `jwks` with at least one key.')
  }
  for (const key of keys) {
    if (typeof key['kid'] !== 'string') throw invalidMetadata('Every key needs a kid.')
    if (privateMembers.some((member) => member in key)) throw invalidMetadata('A key holds private members.')
  }
  return { keys }
}

type Registered = Pick<MockClient, 'tokenEndpointAuthMethod' | 'scope' | 'metadata'> & {
  readonly jwks?: { readonly keys: readonly JsonObject[] }
}

function checkMetadata(metadata: JsonObject): Registered {
  const method = metadata['token_endpoint_auth_method'] ?? 'client_secret_basic'
  if (method !== 'client_secret_basic' && method !== 'client_secret_post' && method !== 'private_key_jwt') {
    throw invalidMetadata('The token endpoint does not know this token_endpoint_auth_method.')
  }
  const grants = metadata['grant_types']
  if (grants !== undefined && !(Array.isArray(grants) && grants.includes('client_credentials'))) {
    throw invalidMetadata('grant_types must include client_credentials.')
  }
  const scope = metadata['scope'] ?? defaultScope
  if (typeof scope !== 'string' || splitScope(scope).some((part) => parseSystemScope(part) === undefined)) {
    throw invalidMetadata('scope must be system scopes, separated by spaces.')
  }
  const { client_id: _id, client_secret: _secret, ...kept } = metadata
  const common = { tokenEndpointAuthMethod: method, scope, metadata: kept } as const
  return method === 'private_key_jwt' ? { ...common, jwks: checkJwks(metadata['jwks']) } : common
}

function registrationReply(client: MockClient, root: string, status: number): Response {
  return jsonReply(status, {
    ...client.metadata,
    client_id: client.clientId,
    ...(client.secret === undefined ? {} : { client_secret: client.secret, client_secret_expires_at: 0 }),
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
    grant_types: ['client_credentials'],
    scope: client.scope,
    registration_access_token: client.registrationToken,
    registration_client_uri: `${root}/auth/register/${encodeURIComponent(client.clientId)}`,
  })
}

function toClient(
  credentials: Credentials,
  clientId: string,
  registered: Registered,
  secret?: string,
): MockClient {
  const withSecret = registered.tokenEndpointAuthMethod !== 'private_key_jwt'
  return {
    clientId,
    kind: 'smart',
    ...registered,
    ...(withSecret ? { secret: secret ?? credentials.newSecret() } : {}),
    registrationToken: credentials.newOpaque(),
  }
}

/** RFC 7591: an open registration endpoint for clients of the client_credentials grant. */
export function registerClient(call: Call, credentials: Credentials, newId: () => string): Response {
  const client = toClient(credentials, newId(), checkMetadata(readMetadata(call)))
  credentials.clients.set(client.clientId, client)
  return registrationReply(client, call.root, 201)
}

/** RFC 7592: read, replace and delete one's own registration. The management token changes with every update. */
export function manageRegistration(call: Call, credentials: Credentials, clientId: string): Response {
  const client = credentials.clients.get(clientId)
  const [, token = ''] = /^bearer (\S+)$/i.exec(call.headers.get('authorization') ?? '') ?? []
  if (client?.registrationToken === undefined || !sameText(client.registrationToken, token)) {
    throw new OauthProblem(401, 'invalid_token', 'The registration access token is not valid.', {
      'www-authenticate': 'Bearer realm="registration", error="invalid_token"',
    })
  }
  switch (call.method) {
    case 'GET':
      return registrationReply(client, call.root, 200)
    case 'PUT': {
      const metadata = readMetadata(call)
      if (metadata['client_id'] !== clientId) throw invalidMetadata('client_id must be the registered one.')
      if (issuedMembers.some((member) => member in metadata)) {
        throw invalidMetadata('Members that the server issues may not be sent.')
      }
      if (metadata['client_secret'] !== undefined && metadata['client_secret'] !== client.secret) {
        throw invalidMetadata('A client may not choose its secret.')
      }
      const next = toClient(credentials, clientId, checkMetadata(metadata), client.secret)
      credentials.clients.set(clientId, next)
      return registrationReply(next, call.root, 200)
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
