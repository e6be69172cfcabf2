import { discover, loginRegistration, revoke } from '@fhir-outbox/smart-auth'
import { leaveForLogin, returnFromLogin } from '@fhir-outbox/smart-auth/browser'
import type { ServerChoice } from '../platform/server.js'
import { keptLogin, loginOptions, openLoginStore, type Login } from './logins.js'

// Loaded when it is needed: most visits to an open server never do.

/** Read and write what a reading consists of, about the person; stay signed in while nobody looks. */
const scope = 'offline_access user/Patient.crs user/Device.crus user/Observation.crus'

/** Completes the login whose answer is in the address of this page; `undefined` when there is none. */
export async function completeLogin(): Promise<Login | undefined> {
  return await returnFromLogin({ store: await openLoginStore(), ...loginOptions })
}

export async function earlierLogin(baseUrl: string): Promise<Login | undefined> {
  return await keptLogin(await openLoginStore(), baseUrl)
}

/** Leaves for the server's sign-in, which sends the person back to this very address. */
export async function beginLogin({ baseUrl, origins, clientId }: ServerChoice): Promise<void> {
  const page = new URL(location.href)
  page.hash = ''
  // Spelt as the server will spell it when it adds its answer.
  page.search = page.searchParams.toString()
  await leaveForLogin({
    store: await openLoginStore(),
    fhirBaseUrl: baseUrl,
    ...(clientId === undefined
      ? { registration: loginRegistration({ clientName: 'FHIR Outbox web demo' }) }
      : { clientId }),
    redirectUri: page.href,
    scope,
    patientMode: 'single-patient',
    endpointOrigins: origins,
  })
}

/** Revokes a login at the server without telling the app. */
export async function withdrawLogin(login: Login, baseUrl: string): Promise<void> {
  const { refreshToken, accessToken } = login.secrets()
  const token = refreshToken ?? accessToken
  const { revocationEndpoint } = await discover(baseUrl)
  if (token === undefined || revocationEndpoint === undefined) return
  await revoke(token, { revocationEndpoint, clientId: login.clientId })
}
