import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import type Provider from 'oidc-provider'
import { onTestFinished, vi } from 'vitest'

/** A real authorization server, `oidc-provider`, with a SMART configuration for a FHIR base in front of it. */
export interface StrictServer {
  readonly issuer: string
  readonly fhir: string
  /** Every request to the authorization server: `POST /token` and so on. */
  readonly requests: readonly string[]
  /** The grant types that reached the token endpoint, with the status they got. */
  readonly grants: readonly { readonly grant: string; readonly status: number }[]
  readonly initialAccessToken: string
}

const initialAccessToken = 'marker-initial-access-token'

export const redirectUri = 'http://127.0.0.1:7777/app/callback'

/** An app that people log in with. */
export const app = {
  client_id: 'app',
  token_endpoint_auth_method: 'none',
  application_type: 'native',
  redirect_uris: [redirectUri],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
}

/** It warns about everything that makes it fit for tests. */
async function quietProvider(issuer: string, settings: Record<string, unknown>): Promise<Provider> {
  const muted = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'info')]
  for (const each of muted) each.mockImplementation(() => undefined)
  try {
    const { default: Class } = await import('oidc-provider')
    return new Class(issuer, settings)
  } finally {
    for (const each of muted) each.mockRestore()
  }
}

/** Starts both on loopback; stopped after the test. */
export async function strictServer(
  clients: readonly Record<string, unknown>[] = [],
  { accessTokenSeconds = 300 }: { readonly accessTokenSeconds?: number } = {},
): Promise<StrictServer> {
  const requests: string[] = []
  const grants: { grant: string; status: number }[] = []
  let handle: ReturnType<Provider['callback']> | undefined
  const server = createServer((request, response) => {
    requests.push(`${request.method ?? ''} ${(request.url ?? '').split('?')[0] ?? ''}`)
    if (request.url === '/fhir/.well-known/smart-configuration') {
      response.setHeader('content-type', 'application/json')
      response.setHeader('access-control-allow-origin', '*')
      response.end(JSON.stringify(smartConfiguration(issuer)))
      return
    }
    handle?.(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = await quietProvider(issuer, await configuration(clients, accessTokenSeconds))
  provider.on('grant.success', (context) => grants.push({ grant: grantOf(context), status: 200 }))
  provider.on('grant.error', (context) => grants.push({ grant: grantOf(context), status: 400 }))
  handle = provider.callback()
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { issuer, fhir: `${issuer}/fhir`, requests, grants, initialAccessToken }
}

function grantOf(context: unknown): string {
  const { oidc } = context as { oidc: { params?: { grant_type?: string } } }
  return oidc.params?.grant_type ?? ''
}

function smartConfiguration(issuer: string): Record<string, unknown> {
  return {
    issuer,
    jwks_uri: `${issuer}/jwks`,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: `${issuer}/token`,
    registration_endpoint: `${issuer}/reg`,
    introspection_endpoint: `${issuer}/token/introspection`,
    revocation_endpoint: `${issuer}/token/revocation`,
    capabilities: ['launch-standalone', 'sso-openid-connect', 'client-public', 'permission-offline'],
    code_challenge_methods_supported: ['S256'],
    grant_types_supported: ['authorization_code', 'client_credentials', 'refresh_token'],
  }
}

/** Making an RSA key takes longer than a test. */
let signingKeys: Promise<readonly object[]> | undefined

async function configuration(
  clients: readonly Record<string, unknown>[],
  accessTokenSeconds: number,
): Promise<Record<string, unknown>> {
  signingKeys ??= Promise.all(
    ['RS256', 'ES256'].map(async (alg) => {
      const { privateKey } = await generateKeyPair(alg, { extractable: true })
      return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: alg }
    }),
  )
  const scopes = [
    'openid',
    'fhirUser',
    'offline_access',
    'launch/patient',
    'patient/*.rs',
    'system/Observation.cud',
  ]
  return {
    clients,
    jwks: { keys: await signingKeys },
    scopes,
    claims: { openid: ['sub', 'fhirUser'], fhirUser: ['fhirUser'] },
    cookies: { keys: ['for tests only'] },
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: { clientAuthSigningAlgValues: ['RS384', 'ES384', 'RS256', 'ES256'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_context: unknown, client: { grantTypeAllowed(type: string): boolean }) =>
      client.grantTypeAllowed('refresh_token'),
    clientBasedCORS: () => true,
    extraParams: ['aud', 'launch'],
    extraTokenClaims: () => ({}),
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, fhirUser: `Patient/${id}` }),
    }),
    ttl: {
      AccessToken: accessTokenSeconds,
      ClientCredentials: 300,
      IdToken: 3600,
      RefreshToken: 86_400,
      Grant: 86_400,
      Session: 86_400,
      Interaction: 3600,
      AuthorizationCode: 60,
    },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      registration: { enabled: true, initialAccessToken },
      registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
      resourceIndicators: { enabled: false },
    },
  }
}

/**
 * Logs in like a person without a browser: keeps cookies, follows redirects, and sends the two forms of the
 * development pages. Gives the address it is sent back to.
 */
export async function logIn(url: string, login = 'p1'): Promise<string> {
  const jar = new Map<string, string>()
  let next: { url: string; body?: URLSearchParams } = { url }
  const origin = new URL(url).origin
  for (let hop = 0; hop < 12; hop += 1) {
    const response = await fetch(next.url, {
      method: next.body === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(next.body === undefined ? {} : { body: next.body }),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [pair] = cookie.split(';')
      const at = (pair ?? '').indexOf('=')
      jar.set((pair ?? '').slice(0, at), (pair ?? '').slice(at + 1))
    }
    const text = await response.text()
    const location = response.headers.get('location')
    if (location !== null) {
      const target = new URL(location, next.url)
      if (target.origin !== origin || target.pathname.startsWith('/app/')) return target.href
      next = { url: target.href }
      continue
    }
    const action = /action="([^"]+)"/.exec(text)?.[1]
    const prompt = /name="prompt" value="([^"]+)"/.exec(text)?.[1]
    if (action === undefined || prompt === undefined)
      throw new Error(`no form on the page: ${response.status} ${text.slice(0, 300)}`)
    const body = new URLSearchParams({ prompt, ...(prompt === 'login' ? { login, password: 'x' } : {}) })
    next = { url: new URL(action, next.url).href, body }
  }
  throw new Error('too many pages')
}
