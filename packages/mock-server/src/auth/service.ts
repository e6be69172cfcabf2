import { jsonReply, type Call } from '../server/call.js'
import { authorize } from './authorize.js'
import { assertionAlgorithms } from './client-authentication.js'
import { OauthProblem, oauthProblemReply } from './oauth-problem.js'
import type { AuthParts } from './parts.js'
import { authMethods, grantTypes, manageRegistration, registerClient } from './registration.js'
import { introspect, revoke } from './revocation.js'
import { token } from './token.js'

export type AuthService = (call: Call) => Promise<Response>

/** What all discovery documents say. */
function metadata(root: string): Record<string, unknown> {
  return {
    issuer: `${root}/auth`,
    authorization_endpoint: `${root}/auth/authorize`,
    token_endpoint: `${root}/auth/token`,
    jwks_uri: `${root}/auth/jwks`,
    registration_endpoint: `${root}/auth/register`,
    introspection_endpoint: `${root}/auth/introspect`,
    revocation_endpoint: `${root}/auth/revoke`,
    grant_types_supported: grantTypes,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: authMethods,
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    authorization_response_iss_parameter_supported: true,
    scopes_supported: (
      'openid fhirUser profile launch launch/patient launch/encounter offline_access online_access ' +
      'patient/*.* patient/*.cruds user/*.* user/*.cruds system/*.* system/*.cruds system/*.rs'
    ).split(' '),
  }
}

const capabilities = (
  'launch-ehr launch-standalone authorize-post client-public client-confidential-symmetric ' +
  'client-confidential-asymmetric sso-openid-connect context-ehr-patient context-ehr-encounter ' +
  'context-standalone-patient permission-offline permission-online permission-patient permission-user ' +
  'permission-v1 permission-v2'
).split(' ')

/** SMART configuration: open to everybody, and the same whatever `Accept` says. */
export function smartConfiguration(root: string): Response {
  return jsonReply(200, { ...metadata(root), capabilities }, { 'cache-control': 'no-cache' })
}

/** RFC 8414, for clients that know no SMART configuration. */
export function serverMetadata(root: string): Response {
  return jsonReply(200, metadata(root), { 'cache-control': 'no-cache' })
}

/** Everything below `/auth`. `call.path` starts after `auth`. */
export function createAuthService(parts: AuthParts): AuthService {
  return async (call) => {
    try {
      return await route(parts, call)
    } catch (error) {
      if (!(error instanceof OauthProblem)) throw error
      return oauthProblemReply(error)
    }
  }
}

async function route(parts: AuthParts, call: Call): Promise<Response> {
  const [first = '', second, ...rest] = call.path
  const reading = call.method === 'GET' || call.method === 'HEAD'
  if (first === 'register' && second !== undefined && rest.length === 0) {
    return manageRegistration(parts, call, second)
  }
  switch (call.path.join('/')) {
    case 'authorize':
      if (!reading && call.method !== 'POST') throw wrongMethod('GET, HEAD, POST')
      return authorize(parts, call)
    case 'token':
      return token(parts, call)
    case 'register':
      if (call.method !== 'POST') throw wrongMethod('POST')
      return registerClient(parts, call)
    case 'introspect':
      return introspect(parts, call)
    case 'revoke':
      return revoke(parts, call)
    case 'jwks':
      if (!reading) throw wrongMethod('GET, HEAD')
      return jsonReply(200, await parts.signingKeys.publicKeys(), { 'cache-control': 'max-age=60' })
    case '.well-known/openid-configuration':
      if (!reading) throw wrongMethod('GET, HEAD')
      return jsonReply(
        200,
        {
          ...metadata(call.root),
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256'],
          claims_supported: ['iss', 'sub', 'aud', 'exp', 'iat', 'nonce', 'fhirUser'],
        },
        { 'cache-control': 'no-cache' },
      )
    default:
      throw new OauthProblem(404, 'invalid_request', 'There is nothing here.')
  }
}

function wrongMethod(allow: string): OauthProblem {
  return new OauthProblem(405, 'invalid_request', `Use ${allow}.`, { allow })
}
