import { sameText, type Credentials, type MockClient } from '../auth/credentials.js'
import { basicParts, formDecode } from '../auth/form-encoding.js'
import { FhirProblem, outcomeOfProblem } from '../fhir/problem.js'
import { fhirReply } from '../fhir/reply.js'
import { checkResource } from '../fhir/structure.js'
import { isObject, parseJson } from '../json.js'
import { formOf, jsonReply, type Call } from '../server/call.js'
import { consume, file, type ConsumerParts } from './consumer.js'
import { readMessage } from './message.js'
import type { C3ProProfile } from './profile.js'

/** The debugging receipt that the original server let pass. */
const backDoorReceipt = 'NO-APP-RECEIPT'

export interface C3ProServiceParts {
  readonly profile: C3ProProfile
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
    if (route === 'fhir') return plain(parts, call, rest)
    const known = route === 'encfhir' || ((route === 'register' || route === 'oauth') && rest.length === 0)
    const showsKey = route === 'jwks' && rest.length === 0 && parts.profile.suites.includes('jwe')
    if (showsKey && call.method === 'GET') return keySet(parts)
    if (!known) return refuse(404, 'invalid_request', 'There is nothing here.')
    if (call.method !== 'POST') return refuse(405, 'invalid_request', 'Use POST.', { allow: 'POST' })
    if (route === 'register') return register(parts, call)
    if (route === 'oauth') return token(parts, call)
    return receive(parts, call)
  }
}

function register(parts: C3ProServiceParts, call: Call): Response {
  const antispam = call.headers.get('antispam') ?? ''
  if (![...parts.antispamTokens].some((known) => sameText(known, antispam))) {
    return refuse(401, 'unauthorized_client', 'Antispam token not validated')
  }
  const body = parseJson(call.body)
  const receipt = isObject(body) ? body['receipt-data'] : undefined
  if (typeof receipt !== 'string') return refuse(400, 'invalid_request', 'No receipt-data found')
  const passes = receipt === backDoorReceipt ? parts.profile.backDoorReceipt : parts.receipts.has(receipt)
  if (!passes) return refuse(401, 'unauthorized_client', 'Apple receipt not valid')
  const client: MockClient = {
    clientId: parts.newId(),
    kind: 'c3pro',
    secret: parts.credentials.newSecret(),
    scope: '',
    tokenEndpointAuthMethod: 'client_secret_basic',
    grantTypes: ['client_credentials'],
    redirectUris: [],
  }
  parts.credentials.clients.set(client.clientId, client)
  const answer = JSON.stringify({
    client_id: client.clientId,
    client_secret: client.secret,
    grant_types: client.grantTypes,
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
  })
  return new Response(parts.profile.trailingComma ? `${answer.slice(0, -1)},}` : answer, {
    status: 201,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  })
}

function token(parts: C3ProServiceParts, call: Call): Response {
  const grant = call.query.get('grant_type') ?? formOf(call)?.get('grant_type') ?? undefined
  if (grant === undefined) return refuse(400, 'invalid_request', 'grant_type is missing')
  if (grant !== 'client_credentials') return refuse(400, 'unsupported_grant_type', 'Only client_credentials')
  const client = basicClient(parts.credentials, call.headers.get('authorization'))
  if (client === undefined) return refuse(401, 'unauthorized_client', 'Credentials not valid')
  const issued = parts.credentials.issue(client, '', call.now + parts.tokenSeconds * 1000)
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

function isAuthorized({ credentials, profile }: C3ProServiceParts, call: Call): boolean {
  if (profile.tokens === 'none') return true
  const token = credentials.fromHeader(call.headers.get('authorization'), call.now)
  return token !== undefined && (profile.tokens === 'any' || token.kind === 'c3pro')
}

/** The key to seal for now, as a JWK Set. The original published nothing: its apps brought the certificate with them. */
async function keySet({ consumer }: C3ProServiceParts): Promise<Response> {
  const keyId = consumer.currentKeyId()
  const pair = await consumer.keyPair(keyId)
  const { kty, n, e } = pair?.privateJwk ?? {}
  return jsonReply(200, { keys: [{ kty, n, e, kid: keyId, use: 'enc' }] })
}

// Without WWW-Authenticate, like the original.
const unauthorized = (): Response => refuse(401, 'unauthorized_client', 'Token not valid')

async function receive(parts: C3ProServiceParts, call: Call): Promise<Response> {
  if (!isAuthorized(parts, call)) return unauthorized()
  const message = readMessage(parseJson(call.body), parts.profile.suites)
  if (typeof message === 'string') return refuseEnvelope(parts, message)
  const result = await consume(parts.consumer, message, { n: call.n, root: call.root, now: call.now })
  if (result === 'unknown-key') return refuse(422, 'unknown_key', 'No private key is known for this key id.')
  return new Response(null, { status: 200 })
}

function refuseEnvelope({ profile }: C3ProServiceParts, text: string): Response {
  if (!profile.errorsUnder200) return refuse(400, 'invalid_request', text)
  // The original wrote the body before the status, and quoted like no JSON parser.
  return new Response(`{'error':'${text}'}`, { status: 200, headers: { 'content-type': 'application/json' } })
}

const posted: ReadonlySet<string> = new Set(['QuestionnaireResponse', 'Contract', 'Observation'])

/** The plain twin of the encrypted endpoint: the few types the original took, filed the same way. */
function plain(parts: C3ProServiceParts, call: Call, path: readonly string[]): Response {
  if (!isAuthorized(parts, call)) return unauthorized()
  const [type = '', id, ...rest] = path
  const { method } = call
  try {
    if (rest.length === 0 && method === 'GET' && type === 'Questionnaire' && id !== undefined) {
      const found = parts.consumer.read(type, id)
      if (found !== undefined) return fhirReply(200, found)
      throw new FhirProblem(404, 'not-found', 'The questionnaire is not known.')
    }
    const takes =
      (method === 'POST' && posted.has(type) && id === undefined) ||
      (method === 'PUT' && type === 'Patient' && id !== undefined && rest.length === 0)
    if (!takes) throw new FhirProblem(404, 'not-supported', 'The receiver does not take this.')
    const resource = checkResource(parseJson(call.body), type)
    if (id !== undefined && resource.id !== id)
      throw new FhirProblem(400, 'invariant', 'The id is not the one of the URL.')
    const { reference } = file(parts.consumer, resource, { n: call.n, root: call.root, now: call.now })
    const headers = reference === undefined ? {} : { location: `${call.root}/c3pro/fhir/${reference}` }
    return fhirReply(id === undefined ? 201 : 200, undefined, headers)
  } catch (error) {
    if (!(error instanceof FhirProblem)) throw error
    if (parts.profile.anythingIs401) return unauthorized()
    return fhirReply(error.status, outcomeOfProblem(error), error.headers)
  }
}
