import * as oauth from 'oauth4webapi'
import type { MockServerOptions } from '../src/index.js'
import { openRig, type Mode, type Rig } from './rig.js'

export const redirectUri: string = 'https://app.example/callback'
export const scope: string = 'launch/patient openid fhirUser offline_access patient/*.rs'

export async function openLogins(mode: Mode, options: MockServerOptions = {}): Promise<Rig> {
  const rig = await openRig(mode, options)
  const { state } = rig.mock
  state.addClient({ clientId: 'app', redirectUris: [redirectUri] })
  state.load([
    { resourceType: 'Patient', id: 'p1', name: [{ given: ['Ada'], family: '<Lovelace>' }] },
    { resourceType: 'Patient', id: 'p2', name: [{ text: 'Grace Hopper' }] },
    {
      resourceType: 'Observation',
      id: 'o1',
      subject: { reference: 'Patient/p1' },
      status: 'final',
      code: { text: 'x' },
    },
    {
      resourceType: 'Observation',
      id: 'o2',
      subject: { reference: 'Patient/p2' },
      status: 'final',
      code: { text: 'x' },
    },
  ])
  state.addUser({ username: 'ada', password: 'engine', fhirUser: 'Patient/p1' })
  state.addUser({ username: 'doctor', password: 'who', fhirUser: 'Practitioner/d' })
  return rig
}

export interface Asked {
  readonly url: URL
  readonly verifier: string
  readonly nonce: string
}

export async function ask(rig: Rig, changes: Record<string, string | undefined> = {}): Promise<Asked> {
  const verifier = oauth.generateRandomCodeVerifier()
  const nonce = oauth.generateRandomNonce()
  const url = new URL(`${rig.root}/auth/authorize`)
  const params = {
    response_type: 'code',
    client_id: 'app',
    redirect_uri: redirectUri,
    scope,
    state: 'state-1',
    aud: `${rig.root}/fhir`,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    nonce,
    ...changes,
  }
  for (const [name, value] of Object.entries(params))
    if (value !== undefined) url.searchParams.set(name, value)
  return { url, verifier, nonce }
}

export const follow = (url: string | URL): Promise<Response> => fetch(url, { redirect: 'manual' })
export const locationOf = (response: Response): string => response.headers.get('location') ?? ''
export const paramsOf = (response: Response): Record<string, string> =>
  Object.fromEntries(new URL(locationOf(response)).searchParams)
export const post = (url: string, values: readonly (readonly [string, string])[]): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams(values.map(([name, value]) => [name, value])),
  })

export const bearer = (token: unknown): { readonly headers: Record<string, string> } => ({
  headers: { authorization: `Bearer ${String(token)}` },
})
