import { toBase64Url, utf8 } from '../bytes.js'
import { formOf, jsonReply, type Call } from '../server/call.js'
import { authenticateClient, clientByAssertion } from './client-authentication.js'
import { sameText, type GrantType, type MockClient, type OnBehalf } from './credentials.js'
import type { AuthCode, Grant } from './logins.js'
import { OauthProblem } from './oauth-problem.js'
import type { AuthParts } from './parts.js'
import { grantTypes, jwtBearer } from './registration.js'
import { grantable, parseScope, splitScope } from './scopes.js'
import { revokeGrant } from './revocation.js'

const noStore = { 'cache-control': 'no-store', pragma: 'no-cache' }
const idTokenSeconds = 300

function invalidGrant(description: string): OauthProblem {
  return new OauthProblem(400, 'invalid_grant', description)
}

export async function token(parts: AuthParts, call: Call): Promise<Response> {
  if (call.method !== 'POST') throw new OauthProblem(405, 'invalid_request', 'Use POST.', { allow: 'POST' })
  const form = formOf(call)
  if (form === undefined) throw new OauthProblem(400, 'invalid_request', 'Send a form body.')
  for (const name of form.keys()) {
    if (form.getAll(name).length > 1)
      throw new OauthProblem(400, 'invalid_request', 'A parameter stands twice.')
  }
  const named = form.get('grant_type')
  if (named === null) throw new OauthProblem(400, 'invalid_request', 'grant_type is missing.')
  const grant = grantTypes.find((one) => one === named)
  if (grant === jwtBearer) return byDevice(parts, call, form)
  const client = await authenticateClient(call, form, parts.credentials)
  if (grant === undefined)
    throw new OauthProblem(400, 'unsupported_grant_type', 'This grant is not supported.')
  requireGrant(client, grant)
  switch (grant) {
    case 'authorization_code':
      return byCode(parts, call, form, client)
    case 'refresh_token':
      return byRefresh(parts, call, form, client)
    default:
      return byItself(parts, call, form, client)
  }
}

function requireGrant(client: MockClient, grant: GrantType): void {
  const allowed = grant === 'refresh_token' ? 'authorization_code' : grant
  if (!client.grantTypes.includes(allowed) && !client.grantTypes.includes(grant)) {
    throw new OauthProblem(400, 'unauthorized_client', 'The client is not registered for this grant.')
  }
}

function byItself(parts: AuthParts, call: Call, form: URLSearchParams, client: MockClient): Response {
  if (client.tokenEndpointAuthMethod === 'none') {
    throw new OauthProblem(401, 'invalid_client', 'The client did not authenticate.')
  }
  const granted = grantable(form.get('scope') ?? client.scope, client.scope).filter(
    (scope) => parseScope(scope)?.level === 'system',
  )
  return reply(parts, call, client, granted, {})
}

/** The client of one device: its assertion is the grant (RFC 7523, 2.1), and nobody logs in again. */
async function byDevice(parts: AuthParts, call: Call, form: URLSearchParams): Promise<Response> {
  const client = await clientByAssertion(call, form.get('assertion') ?? '', parts.credentials).catch(
    (error: unknown) => {
      throw error instanceof OauthProblem ? invalidGrant(error.message) : error
    },
  )
  if (form.has('client_id') && form.get('client_id') !== client.clientId) {
    throw invalidGrant('client_id is not the issuer of the assertion.')
  }
  requireGrant(client, jwtBearer)
  return reply(
    parts,
    call,
    client,
    grantable(form.get('scope') ?? client.scope, client.scope),
    client.onBehalf ?? {},
  )
}

function reply(
  { credentials, tokenSeconds }: AuthParts,
  call: Call,
  client: MockClient,
  granted: readonly string[],
  onBehalf: OnBehalf,
): Response {
  if (granted.length === 0) throw new OauthProblem(400, 'invalid_scope', 'None of the scopes can be granted.')
  const issued = credentials.issue(client, granted.join(' '), call.now + tokenSeconds * 1000, onBehalf)
  const { patient } = onBehalf
  return jsonReply(
    200,
    {
      access_token: issued.token,
      token_type: 'Bearer',
      expires_in: tokenSeconds,
      scope: issued.scope,
      ...(patient === undefined ? {} : { patient }),
    },
    noStore,
  )
}

async function byCode(
  parts: AuthParts,
  call: Call,
  form: URLSearchParams,
  client: MockClient,
): Promise<Response> {
  const { logins } = parts
  const name = form.get('code') ?? ''
  const code = logins.codes.get(name)
  const grant = code && logins.grants.get(code.grantId)
  if (code === undefined || grant?.clientId !== client.clientId) throw invalidGrant('The code is not known.')
  if (code.used) {
    // Somebody else has it as well: nothing that came out of it can be trusted any more.
    revokeGrant(parts, code.grantId)
    throw invalidGrant('The code was used before.')
  }
  logins.codes.set(name, { ...code, used: true })
  await checkCode(code, call, form)
  return tokens(parts, call, client, grant, grant.scope, true)
}

async function checkCode(code: AuthCode, call: Call, form: URLSearchParams): Promise<void> {
  if (code.expiresAt <= call.now) throw invalidGrant('The code has expired.')
  if (code.redirectUri !== form.get('redirect_uri'))
    throw invalidGrant('redirect_uri is not the one of the request.')
  const verifier = form.get('code_verifier') ?? ''
  if (!/^[A-Za-z0-9\-._~]{43,128}$/.test(verifier))
    throw invalidGrant('code_verifier is missing or no verifier.')
  const hash = await globalThis.crypto.subtle.digest('SHA-256', utf8(verifier))
  if (!sameText(toBase64Url(new Uint8Array(hash)), code.codeChallenge)) {
    throw invalidGrant('code_verifier does not fit the challenge.')
  }
}

async function byRefresh(
  parts: AuthParts,
  call: Call,
  form: URLSearchParams,
  client: MockClient,
): Promise<Response> {
  const { logins } = parts
  const name = form.get('refresh_token') ?? ''
  const refresh = logins.refreshTokens.get(name)
  const grant = refresh && logins.grants.get(refresh.grantId)
  if (refresh === undefined || grant?.clientId !== client.clientId)
    throw invalidGrant('The refresh token is not known.')
  if (refresh.used) {
    revokeGrant(parts, refresh.grantId)
    throw invalidGrant('The refresh token was used before; everything of this login is revoked.')
  }
  const asked = form.get('scope')
  if (asked !== null && grantable(asked, grant.scope).length < splitScope(asked).length) {
    throw new OauthProblem(400, 'invalid_scope', 'A refresh cannot widen the scope.')
  }
  logins.refreshTokens.set(name, { ...refresh, used: true })
  return tokens(parts, call, client, grant, asked ?? grant.scope, false)
}

async function tokens(
  parts: AuthParts,
  call: Call,
  client: MockClient,
  grant: Grant,
  scope: string,
  first: boolean,
): Promise<Response> {
  const { credentials, logins, tokenSeconds } = parts
  const { id: grantId, username, patient, encounter, visible } = grant
  const onBehalf: OnBehalf = {
    ...(username === undefined ? {} : { username }),
    ...(patient === undefined ? {} : { patient }),
    ...(encounter === undefined ? {} : { encounter }),
    ...(visible === undefined ? {} : { visible }),
  }
  const issued = credentials.issue(client, scope, call.now + tokenSeconds * 1000, { ...onBehalf, grantId })
  const scopes = splitScope(grant.scope)
  const stays = scopes.includes('offline_access') || scopes.includes('online_access')
  const refreshToken = stays ? credentials.newOpaque() : undefined
  if (refreshToken !== undefined) logins.refreshTokens.set(refreshToken, { grantId, used: false })
  const idToken = scopes.includes('openid') ? await signIdToken(parts, call, grant, first) : undefined
  return jsonReply(
    200,
    {
      access_token: issued.token,
      token_type: 'Bearer',
      expires_in: tokenSeconds,
      scope,
      ...(patient === undefined ? {} : { patient, need_patient_banner: true }),
      ...(encounter === undefined ? {} : { encounter }),
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
      ...(idToken === undefined ? {} : { id_token: idToken }),
    },
    noStore,
  )
}

function signIdToken(parts: AuthParts, call: Call, grant: Grant, first: boolean): Promise<string> {
  const seconds = Math.floor(call.now / 1000)
  const scopes = splitScope(grant.scope)
  const tellsUser = scopes.includes('fhirUser') || scopes.includes('profile')
  const { fhirUser, nonce, username = '', clientId } = grant
  return parts.signingKeys.sign({
    iss: `${call.root}/auth`,
    sub: username,
    aud: clientId,
    iat: seconds,
    exp: seconds + idTokenSeconds,
    ...(nonce === undefined || !first ? {} : { nonce }),
    ...(fhirUser === undefined || !tellsUser ? {} : { fhirUser: `${call.root}/fhir/${fhirUser}` }),
  })
}
