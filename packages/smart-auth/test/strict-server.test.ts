import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  backendServices,
  beginLaunch,
  completeLaunch,
  deleteRegistration,
  forgetLoginRegistration,
  introspect,
  loginRegistration,
  memorySecretStore,
  readRegistration,
  registerClient,
  restoreSession,
  revoke,
  updateRegistration,
  type RegisteredClient,
  type SecretStore,
  type Session,
} from '@fhir-outbox/smart-auth'
import { failure } from './support/fake-fetch.js'
import { app, logIn, redirectUri, strictServer, type StrictServer } from './support/strict-server.js'

const scope = 'openid fhirUser offline_access patient/*.rs'

async function signIn(server: StrictServer, store: SecretStore): Promise<Session> {
  const { url } = await beginLaunch({
    store,
    fhirBaseUrl: server.fhir,
    clientId: 'app',
    redirectUri,
    scope,
    parameters: { prompt: 'consent' },
  })
  return completeLaunch({ store, callbackUrl: await logIn(url) })
}

describe('a real oidc-provider', () => {
  it('lets a person in, with everything checked', async () => {
    const server = await strictServer([app])
    const store = memorySecretStore()
    const session = await signIn(server, store)
    expect(session).toMatchObject({ fhirUser: 'Patient/p1', clientId: 'app', notices: [] })
    expect(session.claims).toMatchObject({ iss: server.issuer, sub: 'p1', aud: 'app' })
    expect(session.scope.split(' ')).toEqual(expect.arrayContaining(['openid', 'offline_access']))
    const restored = await restoreSession({ store, fhirBaseUrl: server.fhir })
    const { value } = (await restored?.getToken({ url: `${server.fhir}/Patient` })) ?? { value: '' }
    expect(value).toBe(session.secrets().accessToken)
    expect(server.grants).toEqual([{ grant: 'authorization_code', status: 200 }])
  })

  it('sees one refresh from three refreshers in one process, each with its own session object', async () => {
    const server = await strictServer([app])
    const store = memorySecretStore()
    await signIn(server, store)
    const sessions = await Promise.all(
      [1, 2, 3].map(() => restoreSession({ store, fhirBaseUrl: server.fhir })),
    )
    const rejected = sessions[0]?.secrets().accessToken ?? ''
    const url = `${server.fhir}/Patient`
    const values = await Promise.all(sessions.map((session) => session?.getToken({ url, rejected })))
    expect(new Set(values.map((token) => token?.value)).size).toBe(1)
    expect(values[0]?.value).not.toBe(rejected)
    expect(server.grants.slice(1)).toEqual([{ grant: 'refresh_token', status: 200 }])
    // Nobody is logged out: the family of tokens is alive.
    const again = values[0]?.value ?? ''
    const later = await restoreSession({ store, fhirBaseUrl: server.fhir })
    const next = await later?.getToken({ url, rejected: again })
    expect(next?.value).not.toBe(again)
  })

  it('tells about a token, and revokes the session', async () => {
    const server = await strictServer([app])
    const store = memorySecretStore()
    const session = await signIn(server, store)
    const { accessToken = '', refreshToken = '' } = session.secrets()
    const introspectionEndpoint = `${server.issuer}/token/introspection`
    const about = { introspectionEndpoint, clientId: 'app' }
    await expect(introspect(accessToken, about)).resolves.toMatchObject({ active: true, clientId: 'app' })
    await expect(introspect('unknown', about)).resolves.toEqual({ active: false, members: { active: false } })
    expect(await session.end()).toBe('revoked')
    await expect(introspect(refreshToken, about)).resolves.toMatchObject({ active: false })
    await expect(introspect(accessToken, about)).resolves.toMatchObject({ active: false })
    expect(await restoreSession({ store, fhirBaseUrl: server.fhir })).toBeUndefined()
    await revoke('unknown', { revocationEndpoint: `${server.issuer}/token/revocation`, clientId: 'app' })
  })

  it('ends a session whose refresh token was used behind its back, and says that a person is needed', async () => {
    const server = await strictServer([app])
    const store = memorySecretStore()
    const session = await signIn(server, store)
    const stolen = session.secrets().refreshToken ?? ''
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: stolen, client_id: 'app' })
    expect((await fetch(`${server.issuer}/token`, { method: 'POST', body })).status).toBe(200)
    const rejected = session.secrets().accessToken ?? ''
    const error = await failure(session.getToken({ url: server.fhir, rejected }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', oauthError: 'invalid_grant' })
    expect(session.secrets().refreshToken).toBeUndefined()
  })

  it('registers the app for its login, and forgets it', async () => {
    const server = await strictServer()
    const store = memorySecretStore()
    const registration = loginRegistration({
      clientName: 'Diary',
      applicationType: 'native',
      initialAccessToken: server.initialAccessToken,
    })
    const begin = {
      store,
      fhirBaseUrl: server.fhir,
      registration,
      redirectUri,
      scope,
      parameters: { prompt: 'consent' },
    }
    const { url } = await beginLaunch(begin)
    const session = await completeLaunch({ store, callbackUrl: await logIn(url) })
    expect(session.secrets().refreshToken).toBeDefined()
    await beginLaunch(begin)
    expect(server.requests.filter((line) => line === 'POST /reg')).toHaveLength(1)
    expect(await forgetLoginRegistration({ store, fhirBaseUrl: server.fhir })).toBe('deleted')
    expect(server.requests.some((line) => line.startsWith('DELETE /reg/'))).toBe(true)
    expect(await restoreSession({ store, fhirBaseUrl: server.fhir })).toBeUndefined()
    expect((await store.ids()).filter((id) => !id.startsWith('login:'))).toEqual([])
  })

  it('manages a registration, and hands its rotated token on before anything else', async () => {
    const server = await strictServer()
    const kept: RegisteredClient[] = []
    const persist = async (client: RegisteredClient): Promise<void> => {
      kept.push(client)
    }
    const made = await registerClient({
      registrationEndpoint: `${server.issuer}/reg`,
      initialAccessToken: server.initialAccessToken,
      metadata: {
        redirect_uris: [redirectUri],
        application_type: 'native',
        token_endpoint_auth_method: 'none',
      },
    })
    const managed = {
      registrationClientUri: made.registrationClientUri ?? '',
      registrationAccessToken: made.registrationAccessToken ?? '',
    }
    await expect(readRegistration(managed, { persist })).resolves.toMatchObject({ clientId: made.clientId })
    const metadata = { ...made.metadata, client_name: 'Diary 2' }
    const updated = await updateRegistration(managed, metadata, { persist })
    expect(updated.metadata).toMatchObject({ client_name: 'Diary 2' })
    expect(updated.registrationAccessToken).not.toBe(managed.registrationAccessToken)
    expect(kept.at(-1)?.registrationAccessToken).toBe(updated.registrationAccessToken)
    const error = await failure(readRegistration(managed, { persist }))
    expect(error).toMatchObject({ code: 'ERR_REGISTRATION_FAILED', status: 401 })
    const { registrationAccessToken = '' } = updated
    await deleteRegistration({ ...managed, registrationAccessToken })
    await deleteRegistration({ ...managed, registrationAccessToken })
  })

  it.each(['ES384', 'RS384'] as const)('takes %s assertions of a backend, each once', async (alg) => {
    const pair = await generateKeyPair(alg, { extractable: true })
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k', alg, use: 'sig' }
    const server = await strictServer([
      {
        client_id: 'gateway',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: alg,
        jwks: { keys: [jwk] },
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
      },
    ])
    const common = {
      fhirBaseUrl: server.fhir,
      clientId: 'gateway',
      alg,
      kid: 'k',
      scope: 'system/Observation.cud',
    }
    const key = await exportPKCS8(pair.privateKey)
    const token = await backendServices({ ...common, key }).getToken({ url: server.fhir })
    expect(token).toMatchObject({ type: 'Bearer', scope: 'system/Observation.cud' })
    const byIssuer = backendServices({ ...common, key: pair.privateKey, assertionAudience: 'issuer' })
    await expect(byIssuer.getToken({ url: server.fhir })).resolves.toMatchObject({ type: 'Bearer' })
    const replay = backendServices({ ...common, key, randomId: () => 'always the same' })
    const { value } = await replay.getToken({ url: server.fhir })
    const error = await failure(replay.getToken({ url: server.fhir, rejected: value }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', oauthError: 'invalid_client' })
  })
})
