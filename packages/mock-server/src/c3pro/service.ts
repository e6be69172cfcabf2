import { sameText, type Credentials, type MockClient } from '../auth/credentials.js'
import { basicParts, formDecode } from '../auth/form-encoding.js'
import { isObject, parseJson } from '../json.js'
import { formOf, jsonReply, type Call } from '../server/call.js'
import { consume, type ConsumerParts } from './consumer.js'
import { parseEnvelope } from './envelope.js'

/** The debugging receipt that the original server let pass. It never passes here. */
const backDoorReceipt = 'NO-APP-RECEIPT'

export interface C3ProServiceParts {
  readonly credentials: Credentials
  readonly antispamTokens: ReadonlySet<string>
  readonly receipts: ReadonlySet<string>
  readonly tokenSeconds: number
  readonly consumer: ConsumerParts
  newId(): string
}

export type C3ProService = (call: Call) => Promise<Response>

function refuse(
  status: number,
  error: string,
  description: string,
  headers: Record<string, string> = {},
): Response {
  return jsonReply(status, { error, error_description: description }, headers)
}

/** Everything below `/c3pro`. `call.path` starts after `c3pro`. */
export function createC3ProService(parts: C3ProServiceParts): C3ProService {
  return async (call) => {
    const [route, ...rest] = call.path
    const known = route === 'encfhir' || ((route === 'register' || route === 'oauth') && rest.length === 0)
    if (!known) return refuse(404, 'invalid_request', 'There is nothing here.')
    if (call.method !== 'POST') return refuse(405, 'invalid_request', 'Use POST.', { allow: 'POST' })
    if (route === 'register') return register(parts, call)
    if (route === 'oauth') return token(parts, call)
    return receive(parts, call)
  }
}

function register(parts: C3ProServiceParts, call: Call): Response {
  const antispam = call.headers.get('antispam') ?? ''
  if (![...parts.antispamTokens].some((token) => sameText(token, antispam))) {
    return refuse(401, 'unauthorized_client', 'Antispam token not validated')
  }
  const body = parseJson(call.body)
  const receipt = isObject(body) ? body['receipt-data'] : undefined
  if (typeof receipt !== 'string') return refuse(400, 'invalid_request', 'No receipt-data found')
  if (receipt === backDoorReceipt || !parts.receipts.has(receipt)) {
    return refuse(401, 'unauthorized_client', 'Apple receipt not valid')
  }
  const client: MockClient = {
    clientId: parts.newId(),
    kind: 'c3pro',
    secret: parts.credentials.newSecret(),
    scope: '',
    tokenEndpointAuthMethod: 'client_secret_basic',
  }
  parts.credentials.clients.set(client.clientId, client)
  return jsonReply(201, {
    client_id: client.clientId,
    client_secret: client.secret,
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
  })
}

function token(parts: C3ProServiceParts, call: Call): Response {
  const grant = call.query.get('grant_type') ?? formOf(call)?.get('grant_type') ?? undefined
  if (grant === undefined) return refuse(400, 'invalid_request', 'grant_type is missing')
  if (grant !== 'client_credentials') return refuse(400, 'unsupported_grant_type', 'Only client_credentials')
  const client = basicClient(parts.credentials, call.headers.get('authorization'))
  if (client === undefined) return refuse(401, 'unauthorized_client', 'Credentials not valid')
  const issued = parts.credentials.issue(client, '', parts.tokenSeconds)
  // 202, not 200: the original's habit that strict OAuth libraries stumble over.
  return jsonReply(202, { access_token: issued.token, expires_in: parts.tokenSeconds, token_type: 'bearer' })
}

/** The whole `id:secret` is form-decoded before it is split, so an unencoded `+` in the secret becomes a space. */
function basicClient(credentials: Credentials, authorization: string | null): MockClient | undefined {
  const [id = '', ...rest] = (formDecode(basicParts(authorization)?.text ?? '') ?? '').split(':')
  const client = credentials.clients.get(id)
  if (client?.kind !== 'c3pro' || client.secret === undefined) return undefined
  return sameText(client.secret, rest.join(':')) ? client : undefined
}

async function receive(parts: C3ProServiceParts, call: Call): Promise<Response> {
  if (parts.credentials.fromHeader(call.headers.get('authorization'))?.kind !== 'c3pro') {
    // Without WWW-Authenticate, like the original.
    return refuse(401, 'unauthorized_client', 'Token not valid')
  }
  const envelope = parseEnvelope(parseJson(call.body))
  if (envelope === undefined) {
    return refuse(400, 'invalid_request', 'key_id, symmetric_key, message and version are needed as strings')
  }
  if (envelope.key_id.trim() === '') return refuse(400, 'invalid_request', 'key_id is empty')
  await consume(parts.consumer, envelope, { n: call.n, root: call.root })
  return new Response(null, { status: 200 })
}
