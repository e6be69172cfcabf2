import { formOf, jsonReply, type Call } from '../server/call.js'
import { authenticateClient } from './client-authentication.js'
import { OauthProblem } from './oauth-problem.js'
import type { AuthParts } from './parts.js'

/** Takes back everything that was issued for one login. */
export function revokeGrant({ credentials, logins }: AuthParts, grantId: string): void {
  logins.grants.delete(grantId)
  for (const token of credentials.tokens.values()) {
    if (token.grantId === grantId) credentials.tokens.delete(token.token)
  }
  for (const [name, refresh] of logins.refreshTokens) {
    if (refresh.grantId === grantId) logins.refreshTokens.delete(name)
  }
}

function formWithToken(call: Call): URLSearchParams {
  if (call.method !== 'POST') throw new OauthProblem(405, 'invalid_request', 'Use POST.', { allow: 'POST' })
  const form = formOf(call)
  if (form === undefined || !form.has('token')) {
    throw new OauthProblem(400, 'invalid_request', 'Send a form body with `token`.')
  }
  return form
}

/** RFC 7009. What is not known is as good as revoked; with a refresh token goes everything of its login. */
export async function revoke(parts: AuthParts, call: Call): Promise<Response> {
  const form = formWithToken(call)
  const { clientId } = await authenticateClient(call, form, parts.credentials)
  const name = form.get('token') ?? ''
  const access = parts.credentials.tokens.get(name)
  const refresh = parts.logins.refreshTokens.get(name)
  const grant = parts.logins.grants.get(refresh?.grantId ?? '')
  const owner = access?.clientId ?? grant?.clientId
  if (owner !== undefined && owner !== clientId) {
    throw new OauthProblem(400, 'unauthorized_client', 'The token belongs to another client.')
  }
  parts.credentials.tokens.delete(name)
  if (grant !== undefined) revokeGrant(parts, grant.id)
  return new Response(null, { status: 200 })
}

/** RFC 7662 with the members that SMART adds. The caller authenticates as a client, or by an access token. */
export async function introspect(parts: AuthParts, call: Call): Promise<Response> {
  const form = formWithToken(call)
  const { credentials, logins } = parts
  if (credentials.fromHeader(call.headers.get('authorization'), call.now) === undefined) {
    const client = await authenticateClient(call, form, credentials)
    if (client.tokenEndpointAuthMethod === 'none') {
      throw new OauthProblem(401, 'invalid_client', 'A public client asks with its access token.')
    }
  }
  const name = form.get('token') ?? ''
  const token = credentials.tokens.get(name)
  const refresh = logins.refreshTokens.get(name)
  const grant = logins.grants.get(token?.grantId ?? refresh?.grantId ?? '')
  if (refresh !== undefined && !refresh.used && grant !== undefined) {
    return jsonReply(200, { active: true, client_id: grant.clientId, scope: grant.scope })
  }
  if (token === undefined || token.kind !== 'smart' || token.expiresAt <= call.now)
    return jsonReply(200, { active: false })
  const { clientId, scope, expiresAt, patient, encounter, username } = token
  const withIdentity = grant?.scope.split(' ').includes('openid') === true
  return jsonReply(200, {
    active: true,
    client_id: clientId,
    scope,
    token_type: 'Bearer',
    exp: Math.floor(expiresAt / 1000),
    ...(patient === undefined ? {} : { patient }),
    ...(encounter === undefined ? {} : { encounter }),
    ...(withIdentity ? { iss: `${call.root}/auth`, sub: username } : {}),
    ...(withIdentity && grant.fhirUser !== undefined
      ? { fhirUser: `${call.root}/fhir/${grant.fhirUser}` }
      : {}),
  })
}
