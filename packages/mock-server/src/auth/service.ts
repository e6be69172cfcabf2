import { formOf, jsonReply, type Call } from '../server/call.js'
import { assertionAlgorithms, authenticateClient } from './client-authentication.js'
import type { Credentials } from './credentials.js'
import { OauthProblem, oauthProblemReply } from './oauth-problem.js'
import { manageRegistration, registerClient } from './registration.js'
import { grantable } from './scopes.js'

export interface AuthServiceParts {
  readonly credentials: Credentials
  readonly tokenSeconds: number
  clock(): number
  newId(): string
}

export type AuthService = (call: Call) => Promise<Response>

const noStore = { 'cache-control': 'no-store', pragma: 'no-cache' }

/** What both discovery documents say about the token endpoint. */
function endpoints(root: string): Record<string, unknown> {
  return {
    token_endpoint: `${root}/auth/token`,
    registration_endpoint: `${root}/auth/register`,
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    scopes_supported: ['system/*.*', 'system/*.cruds', 'system/*.rs'],
    code_challenge_methods_supported: ['S256'],
  }
}

/** `issuer` is left out, as SMART wants where there is no OpenID Connect. */
export function smartConfiguration(root: string): Response {
  const capabilities = [
    'client-confidential-symmetric',
    'client-confidential-asymmetric',
    'permission-v1',
    'permission-v2',
  ]
  return jsonReply(200, { ...endpoints(root), capabilities })
}

/** RFC 8414, for clients that know no SMART configuration. */
export function serverMetadata(root: string): Response {
  return jsonReply(200, { issuer: `${root}/auth`, ...endpoints(root), response_types_supported: [] })
}

/** Everything below `/auth`. `call.path` starts after `auth`. */
export function createAuthService(parts: AuthServiceParts): AuthService {
  return async (call) => {
    try {
      const [route, clientId, ...rest] = call.path
      if (route === 'token' && clientId === undefined) return await token(parts, call)
      if (route === 'register' && clientId === undefined) {
        requirePost(call)
        return registerClient(call, parts.credentials, () => parts.newId())
      }
      if (route === 'register' && clientId !== undefined && rest.length === 0) {
        return manageRegistration(call, parts.credentials, clientId)
      }
      throw new OauthProblem(404, 'invalid_request', 'There is nothing here.')
    } catch (error) {
      if (!(error instanceof OauthProblem)) throw error
      return oauthProblemReply(error)
    }
  }
}

function requirePost(call: Call): void {
  if (call.method !== 'POST') throw new OauthProblem(405, 'invalid_request', 'Use POST.', { allow: 'POST' })
}

async function token(parts: AuthServiceParts, call: Call): Promise<Response> {
  requirePost(call)
  const form = formOf(call)
  if (form === undefined) throw new OauthProblem(400, 'invalid_request', 'Send a form body.')
  for (const name of form.keys()) {
    if (form.getAll(name).length > 1)
      throw new OauthProblem(400, 'invalid_request', 'A parameter stands twice.')
  }
  const grant = form.get('grant_type')
  if (grant === null) throw new OauthProblem(400, 'invalid_request', 'grant_type is missing.')
  const client = await authenticateClient(call, form, parts.credentials, () => parts.clock())
  if (grant !== 'client_credentials') {
    throw new OauthProblem(400, 'unsupported_grant_type', 'Only client_credentials is supported.')
  }
  const granted = grantable(form.get('scope') ?? client.scope, client.scope)
  if (granted.length === 0) throw new OauthProblem(400, 'invalid_scope', 'None of the scopes can be granted.')
  const issued = parts.credentials.issue(client, granted.join(' '), parts.tokenSeconds)
  return jsonReply(
    200,
    { access_token: issued.token, token_type: 'Bearer', expires_in: parts.tokenSeconds, scope: issued.scope },
    noStore,
  )
}
