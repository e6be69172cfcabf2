import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMockServer, type Listening, type MockServer } from '@fhir-outbox/mock-server'
import {
  beginLaunch,
  completeLaunch,
  dynamicClient,
  deviceRegistration,
  credentialsIn,
  introspect,
  loginRegistration,
  memorySecretStore,
  restoreSession,
  revoke,
  selectPatient,
  type BeginLaunchOptions,
  type Fetch,
  type SecretStore,
  type Session,
} from '@fhir-outbox/smart-auth'
import { failure } from './support/fake-fetch.js'

const redirectUri = 'http://127.0.0.1:7777/callback'
const scope = 'openid fhirUser offline_access patient/*.rs'

/** The mock on a socket, with an app and three patients. */
describe('people at the mock server', () => {
  let mock: MockServer
  let listening: Listening
  let store: SecretStore
  let fhirBaseUrl = ''
  beforeEach(async () => {
    mock = createMockServer({ seed: 5 })
    listening = await mock.listen()
    fhirBaseUrl = `${listening.url}/fhir`
    store = memorySecretStore()
    mock.state.addClient({ clientId: 'app', redirectUris: [redirectUri] })
    mock.state.load(
      ['p1', 'p2', 'p3'].map((id) => ({ resourceType: 'Patient', id, name: [{ family: `marker-${id}` }] })),
    )
    mock.state.addUser({ username: 'anna', password: 'x', fhirUser: 'Patient/p1' })
    mock.state.addUser({ username: 'doctor', password: 'x', fhirUser: 'Practitioner/d' })
    mock.state.addUser({ username: 'parent', password: 'x', fhirUser: 'RelatedPerson/r', patients: ['p2'] })
  })
  afterEach(() => listening.close())

  async function signIn(
    username: string,
    more: Partial<BeginLaunchOptions> = {},
    approval = {},
    send: Fetch = fetch,
  ): Promise<Session> {
    mock.state.approveLogins({ username, ...approval })
    const { url } = await beginLaunch({
      store,
      ...(more.launchUrl === undefined ? { fhirBaseUrl } : {}),
      ...(more.registration === undefined ? { clientId: 'app' } : {}),
      redirectUri,
      scope,
      ...more,
    })
    const response = await fetch(url, { redirect: 'manual' })
    return completeLaunch({ store, callbackUrl: response.headers.get('location') ?? '', fetch: send })
  }

  const read = async (session: Session, path: string): Promise<number> => {
    const url = `${fhirBaseUrl}/${path}`
    const { value } = await session.getToken({ url })
    const response = await fetch(url, { headers: { authorization: `Bearer ${value}` } })
    await response.arrayBuffer()
    return response.status
  }
  const patientRequests = (): readonly string[] =>
    mock.log.map(({ url }) => url).filter((url) => url.startsWith('/fhir/Patient'))
  const refreshes = (): number =>
    mock.log.filter(({ method, url }) => method === 'POST' && url.startsWith('/auth/token')).length - 1

  it('let a patient in, who gets their own record and no other name', async () => {
    const session = await signIn('anna', { patientMode: 'single-patient' })
    expect(session).toMatchObject({
      patient: 'p1',
      fhirUser: expect.stringContaining('Patient/p1') as string,
    })
    expect(patientRequests()).toEqual([])
    expect(await read(session, 'Patient/p1')).toBe(200)
    expect(await read(session, 'Patient/p2')).not.toBe(200)
  })

  /** The same server, if it did not name the patient. */
  const unnamed: Fetch = async (url, init) => {
    const response = await fetch(url, init)
    if (!url.endsWith('/auth/token')) return response
    const { patient: _patient, ...rest } = (await response.json()) as Record<string, unknown>
    return Response.json(rest, { status: response.status })
  }

  it.each([
    ['doctor', 'p1'],
    ['parent', undefined],
  ])('look at ids alone when the server names no patient: %s', async (username, patient) => {
    const mode = { patientMode: 'single-patient', scope: 'openid fhirUser user/*.rs' } as const
    const login = signIn(username, mode, patient === undefined ? {} : { patient }, unnamed)
    if (patient === undefined) {
      expect(await login).toMatchObject({ patient: 'p2', patientSource: 'only-visible' })
    } else {
      expect((await failure(login)).code).toBe('ERR_NO_SINGLE_PATIENT')
      expect(await restoreSession({ store, fhirBaseUrl })).toBeUndefined()
    }
    expect(patientRequests()).toEqual(['/fhir/Patient?_count=2&_elements=id'])
  })

  it('let a doctor choose a patient at the server, or in the app', async () => {
    const there = await signIn('doctor', { patientMode: 'server-select' }, { patient: 'p3' })
    expect(there).toMatchObject({ patient: 'p3', patientSource: 'server' })
    const here = await signIn('doctor', { patientMode: 'client-select', scope: 'openid fhirUser user/*.rs' })
    const selection = await selectPatient(here, {
      pageSize: 2,
      choose: async (pages) => {
        const ids: string[] = []
        for await (const page of pages) ids.push(...page.map(({ id }) => id))
        return ids.at(-1)
      },
    })
    expect(selection).toEqual({ outcome: 'selected', patient: 'p3', by: 'chosen' })
  })

  it('come from an EHR with what it has open', async () => {
    const launch = mock.state.createLaunch({ patient: 'p2', encounter: 'e1' })
    const launchUrl = `https://app.example.test/launch?iss=${encodeURIComponent(fhirBaseUrl)}&launch=${launch}`
    const session = await signIn('doctor', { launchUrl, allowedServers: [fhirBaseUrl] })
    expect(session).toMatchObject({ patient: 'p2', encounter: 'e1', patientSource: 'server' })
  })

  it('say no, and the app says so', async () => {
    const error = await failure(signIn('anna', {}, { deny: true }))
    expect(error).toMatchObject({ code: 'ERR_AUTHORIZATION_REFUSED', oauthError: 'access_denied' })
  })

  it('are refreshed once by three, and stay in', async () => {
    const first = await signIn('anna', { patientMode: 'single-patient' })
    await first.getToken({ url: fhirBaseUrl })
    const rejected = first.secrets().accessToken ?? ''
    mock.state.expireTokens()
    const sessions = await Promise.all([1, 2, 3].map(() => restoreSession({ store, fhirBaseUrl })))
    const url = `${fhirBaseUrl}/Patient/p1`
    const tokens = await Promise.all(sessions.map((session) => session?.getToken({ url, rejected })))
    expect(new Set(tokens.map((token) => token?.value)).size).toBe(1)
    expect(refreshes()).toBe(1)
    expect(await read(first, 'Patient/p1')).toBe(401)
    await first.getToken({ url, rejected })
    expect(await read(first, 'Patient/p1')).toBe(200)
    expect(refreshes()).toBe(1)
  })

  it('stay in while the server is away, and have to log in when its answer was lost', async () => {
    const session = await signIn('anna')
    const url = `${fhirBaseUrl}/Patient/p1`
    const { value } = await session.getToken({ url })
    await listening.pause()
    // The connection that was kept open is gone; a new one is refused.
    await fetch(listening.url).catch(() => undefined)
    expect(await failure(session.getToken({ url, rejected: value }))).toMatchObject({
      code: 'ERR_AUTH_UNREACHABLE',
      arrived: 'no',
    })
    await listening.resume()
    const renewed = await session.getToken({ url, rejected: value })
    expect(renewed.value).not.toBe(value)
    mock.faults.add({ url: '/auth/token', fault: { kind: 'cut-after' } })
    const later = await restoreSession({ store, fhirBaseUrl })
    expect(
      await failure(later?.getToken({ url, rejected: renewed.value }) ?? Promise.resolve()),
    ).toMatchObject({
      code: 'ERR_LOGIN_REQUIRED',
      arrived: 'maybe',
    })
    // The server did rotate: sending the old one again would have ended every session of this login.
    expect(later?.secrets().refreshToken).toBeDefined()
  })

  it('give their tokens back', async () => {
    const session = await signIn('anna')
    const { accessToken = '', refreshToken = '' } = session.secrets()
    // A public client asks with an access token, which then must be another one than the one in question.
    const { value: bearer } = await (
      await signIn('doctor', { account: 'asking' })
    ).getToken({ url: fhirBaseUrl })
    const about = { introspectionEndpoint: `${listening.url}/auth/introspect`, clientId: 'app', bearer }
    expect(await introspect(accessToken, about)).toMatchObject({ active: true, clientId: 'app' })
    await revoke(accessToken, { revocationEndpoint: `${listening.url}/auth/revoke`, clientId: 'app' })
    expect(await introspect(accessToken, about)).toMatchObject({ active: false })
    expect(await session.end()).toBe('revoked')
    expect(await introspect(refreshToken, about)).toMatchObject({ active: false })
  })

  it('use an app that registers itself', async () => {
    const session = await signIn('anna', {
      registration: loginRegistration({ clientName: 'Diary' }),
      patientMode: 'single-patient',
    })
    expect(session.clientId).not.toBe('app')
    expect(await read(session, 'Patient/p1')).toBe(200)
  })

  it('allow their device a client of its own, which needs nobody any more', async () => {
    const launch = await signIn('doctor', { scope: 'openid system/DynamicClient.register', account: 'setup' })
    const source = dynamicClient({
      fhirBaseUrl,
      registrationEndpoint: `${listening.url}/auth/register`,
      credentials: credentialsIn(store, 'device'),
      registration: deviceRegistration({
        softwareId: 'app',
        initialAccessToken: async () => (await launch.getToken({ url: fhirBaseUrl })).value,
        revoke: async () => void (await launch.end()),
      }),
      clientName: 'Scale',
      scope: 'system/Observation.c',
    })
    const { value } = await source.getToken({ url: `${fhirBaseUrl}/Observation` })
    const url = `${fhirBaseUrl}/Observation`
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${value}`, 'content-type': 'application/fhir+json' },
      body: JSON.stringify({ resourceType: 'Observation', status: 'final', code: { text: 'weight' } }),
    })
    expect(response.status).toBe(201)
    await source.getToken({ url, rejected: value })
    expect(
      mock.log.filter(({ method, url: to }) => method === 'POST' && to === '/auth/register'),
    ).toHaveLength(1)
    expect(await restoreSession({ store, fhirBaseUrl, account: 'setup' })).toBeUndefined()
  })
})
