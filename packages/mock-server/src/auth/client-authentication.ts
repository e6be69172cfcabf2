import { createLocalJWKSet, decodeJwt, jwtVerify, type JSONWebKeySet } from 'jose'
import type { Call } from '../server/call.js'
import { sameText, type Credentials, type MockClient } from './credentials.js'
import { basicParts, formDecode } from './form-encoding.js'
import { OauthProblem } from './oauth-problem.js'

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
export const assertionAlgorithms: readonly string[] = ['ES384', 'RS384']
/** SMART App Launch, Backend Services: an assertion expires within five minutes. */
const maxAssertionSeconds = 300
const skewSeconds = 5

function invalidClient(description: string, basic = false): OauthProblem {
  return new OauthProblem(
    401,
    'invalid_client',
    description,
    basic ? { 'www-authenticate': 'Basic realm="token"' } : {},
  )
}

/** Finds out which registered client calls the token endpoint, by exactly one of the three ways. */
export async function authenticateClient(
  call: Call,
  form: URLSearchParams,
  credentials: Credentials,
): Promise<MockClient> {
  const basic = basicParts(call.headers.get('authorization'))
  const ways = [call.headers.has('authorization'), form.has('client_secret'), form.has('client_assertion')]
  if (ways.filter(Boolean).length > 1) {
    throw new OauthProblem(400, 'invalid_request', 'More than one way of client authentication was used.')
  }
  if (form.has('client_assertion')) return byAssertion(call, form, credentials)
  if (form.has('client_secret')) {
    return bySecret(credentials, form.get('client_id') ?? '', form.get('client_secret') ?? '')
  }
  if (basic === undefined) {
    const client = credentials.clients.get(form.get('client_id') ?? '')
    if (client?.kind === 'smart' && client.tokenEndpointAuthMethod === 'none') return client
    throw invalidClient('The client did not authenticate.', true)
  }
  const [id = '', ...secret] = basic.text.split(':')
  return byBasic(credentials, id, secret.join(':'))
}

/** RFC 6749 wants id and secret form-encoded inside Basic; many SMART clients send them raw. Both are taken. */
function byBasic(credentials: Credentials, id: string, secret: string): MockClient {
  const decodedId = formDecode(id)
  const decodedSecret = formDecode(secret)
  const decoded = decodedId === undefined ? undefined : credentials.clients.get(decodedId)
  if (decodedSecret !== undefined && secretFits(decoded, decodedSecret)) return decoded
  const raw = credentials.clients.get(id)
  if (secretFits(raw, secret)) return raw
  throw invalidClient('Unknown client or wrong secret.', true)
}

function bySecret(credentials: Credentials, id: string, secret: string): MockClient {
  const client = credentials.clients.get(id)
  if (secretFits(client, secret)) return client
  throw invalidClient('Unknown client or wrong secret.')
}

function secretFits(client: MockClient | undefined, secret: string): client is MockClient {
  return client?.kind === 'smart' && client.secret !== undefined && sameText(client.secret, secret)
}

async function byAssertion(call: Call, form: URLSearchParams, credentials: Credentials): Promise<MockClient> {
  if (form.get('client_assertion_type') !== assertionType) {
    throw new OauthProblem(400, 'invalid_request', 'client_assertion_type is not jwt-bearer.')
  }
  const client = await clientByAssertion(call, form.get('client_assertion') ?? '', credentials)
  if (client.tokenEndpointAuthMethod !== 'private_key_jwt') {
    throw invalidClient('The client is not registered for private_key_jwt.')
  }
  if (form.has('client_id') && form.get('client_id') !== client.clientId) {
    throw invalidClient('client_id is not the issuer of the assertion.')
  }
  return client
}

/** Checks an assertion by every rule of SMART Backend Services, and that it is used for the first time. */
export async function clientByAssertion(
  call: Call,
  assertion: string,
  credentials: Credentials,
): Promise<MockClient> {
  const client = clientOfAssertion(assertion, credentials)
  const { jti, exp } = await verifyAssertion(assertion, client, call.root, call.now)
  for (const [used, expiresAt] of credentials.usedAssertions) {
    if (expiresAt < call.now) credentials.usedAssertions.delete(used)
  }
  const use = `${client.clientId} ${jti}`
  if (credentials.usedAssertions.has(use)) throw invalidClient('This assertion was used before.')
  credentials.usedAssertions.set(use, (exp + skewSeconds) * 1000)
  return client
}

function clientOfAssertion(assertion: string, credentials: Credentials): MockClient {
  let issuer: unknown
  try {
    issuer = decodeJwt(assertion).iss
  } catch {
    throw invalidClient('The assertion is no JWT.')
  }
  const client = credentials.clients.get(typeof issuer === 'string' ? issuer : '')
  if (client?.jwks === undefined || client.kind !== 'smart') {
    throw invalidClient('The issuer of the assertion is no client with keys.')
  }
  return client
}

async function verifyAssertion(
  assertion: string,
  client: MockClient,
  root: string,
  now: number,
): Promise<{ jti: string; exp: number }> {
  const verified = await jwtVerify(assertion, createLocalJWKSet(client.jwks as unknown as JSONWebKeySet), {
    algorithms: [...assertionAlgorithms],
    typ: 'JWT',
    issuer: client.clientId,
    subject: client.clientId,
    requiredClaims: ['exp', 'jti'],
    currentDate: new Date(now),
    clockTolerance: skewSeconds,
  }).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw invalidClient(`The assertion was refused (${code}).`)
  })
  const { payload, protectedHeader } = verified
  if (protectedHeader.kid === undefined) throw invalidClient('The assertion names no key (kid).')
  // A key set by address is never registered here, so that any address is a wrong one.
  if (protectedHeader.jku !== undefined)
    throw invalidClient('The assertion names a key set that is not registered.')
  // One string, never a list: a list lets another audience replay the assertion here.
  if (payload.aud !== `${root}/auth/token` && payload.aud !== `${root}/auth`) {
    throw invalidClient('The audience is neither the token endpoint nor the issuer.')
  }
  const seconds = now / 1000
  const { exp = 0, iat, jti } = payload
  if (exp > seconds + maxAssertionSeconds + skewSeconds) throw invalidClient('The assertion lives too long.')
  if (iat !== undefined && iat > seconds + skewSeconds)
    throw invalidClient('The assertion is from the future.')
  if (typeof jti !== 'string' || jti === '') throw invalidClient('The assertion has no jti.')
  return { jti, exp }
}
