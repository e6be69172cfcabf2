import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  appStoreReceipt,
  backendServices,
  clientCredentials,
  createClientKey,
  dynamicClient,
  memoryCredentialStore,
  registerClient,
  type Fetch,
} from '@fhir-outbox/smart-auth'
import { failure, json, token, type Sent } from './support/fake-fetch.js'
import { peopleServer } from './support/people-server.js'

const url = 'https://fhir.example.test/r4/Observation'
const endpoint = 'https://auth.example.test/token?key=marker-query'
const secret = 'marker-secret+with/odd=characters'
const receipt = `marker-receipt-${'QUJD'.repeat(40)}`
const antispam = 'marker-antispam secret'
const initialAccessToken = 'marker-initial-access'

/** Everything an error shows when logged in any of the usual ways, its causes included. */
function shown(error: unknown): string {
  const parts: string[] = []
  for (
    let current = error;
    current !== undefined;
    current = current instanceof Error ? current.cause : undefined
  ) {
    const stack = current instanceof Error ? `${current.message} ${current.stack ?? ''}` : ''
    parts.push(JSON.stringify(current) ?? '', inspect(current, { depth: 12, showHidden: true }), stack)
  }
  return parts.join('\n')
}

type Answer = (sent: Pick<Sent, 'headers' | 'body'>) => Response

/** Every value of a request, in the forms in which a server sees it. */
function values({ headers, body }: Pick<Sent, 'headers' | 'body'>): readonly string[] {
  const basic = /^Basic (.+)$/.exec(headers['authorization'] ?? '')?.[1]
  const decoded =
    basic === undefined ? [] : [atob(basic), decodeURIComponent(atob(basic)), atob(basic).slice(2)]
  const members = body.startsWith('{')
    ? Object.values(JSON.parse(body) as Record<string, unknown>).filter((value) => typeof value === 'string')
    : [...new URLSearchParams(body).values()]
  return [...Object.values(headers), ...decoded, ...members].filter((value) => value !== endpoint)
}

const quotesAll: Answer = (sent) => {
  const { body, headers } = sent
  const error_description = `${body} ${decodeURIComponent(body)} ${JSON.stringify(headers)} ${values(sent).join(' ')}`
  return json({ error: 'invalid_request', error_description }, 400)
}

/** Servers and senders that do their best to bring a secret into an error. */
const hostile: readonly (readonly [string, Answer])[] = [
  ['quotes the request', quotesAll],
  ['quotes it in the error member', ({ body }) => json({ error: body }, 401)],
  ['quotes a value as an error code', (sent) => json({ error: values(sent).find((value) => value.startsWith('marker')) }, 401)], // prettier-ignore
  ['quotes parts', (sent) => json({ error: 'x', error_description: values(sent).map((value) => `"${value.slice(0, 30)}" ${value.slice(-30)}`).join() }, 401)], // prettier-ignore
  ['answers a token in a wrong shape', () => token('marker-token', { token_type: 'DPoP' })],
  ['answers a token with wrong members', () => token('marker-token\n')],
  ['answers with text', ({ body }) => new Response(`marker ${body}`)],
  ['answers 500 with a token', () => json({ access_token: 'marker-token' }, 500)],
]

function senders(answer: Answer): readonly Fetch[] {
  return [
    async (_url, init) => answer({ headers: init.headers, body: init.body ?? '' }),
    async (target, init) => {
      const error = new TypeError(`${target} ${JSON.stringify(init)}`)
      throw Object.assign(error, { request: init, code: `E ${init.body ?? ''}`, cause: new Error(init.body) })
    },
  ]
}

async function everyError(fetch: Fetch): Promise<readonly unknown[]> {
  const { privateJwk } = await createClientKey()
  const sign = (): Promise<Uint8Array> => Promise.reject(new Error('marker-key'))
  const registrationEndpoint = endpoint
  const sources = [
    clientCredentials({ tokenEndpoint: endpoint, clientId: 'c', clientSecret: secret, fetch }),
    clientCredentials({
      tokenEndpoint: endpoint,
      clientId: 'c',
      clientSecret: secret,
      secretIn: 'body',
      profile: 'c3-pro',
      fetch,
    }),
    backendServices({ tokenEndpoint: endpoint, clientId: 'c', key: privateJwk, scope: 's', fetch }),
    backendServices({ tokenEndpoint: endpoint, clientId: 'c', key: { sign }, kid: 'k', scope: 's', fetch }),
    dynamicClient({
      registrationEndpoint,
      tokenEndpoint: endpoint,
      credentials: memoryCredentialStore(),
      registration: appStoreReceipt({ receipt: async () => receipt, antispam }),
      clientName: 'G',
      scope: 's',
      fetch,
    }),
  ]
  const metadata = { software_statement: receipt }
  return Promise.all([
    ...sources.map((source) => failure(source.getToken({ url: `${url}?name=marker-patient` }))),
    failure(
      registerClient({ registrationEndpoint, metadata, initialAccessToken, secrets: [receipt], fetch }),
    ),
  ])
}

/** A login that goes wrong at every step: what the errors, the trace and the session itself show. */
describe('a login shows no secret', () => {
  const members = {
    access_token: 'marker-access',
    refresh_token: 'marker-refresh',
    id_token: 'eyJtarker.eyJtarker.marker',
  }
  const bad: readonly (readonly [string, (sent: Sent) => Response])[] = [
    ['quotes the request', ({ body }) => json({ error: 'invalid_grant', error_description: body }, 400)],
    [
      'quotes it decoded',
      ({ form }) => json({ error: 'invalid_grant', error_description: [...form.values()].join(' ') }, 400),
    ],
    ['gives an id_token that is none', () => json({ ...members, token_type: 'Bearer' })],
    ['gives tokens of another kind', () => json({ ...members, token_type: 'mac' })],
    ['gives tokens with 500', () => json(members, 500)],
  ]
  it.each(bad)('when the server %s', async (_name, answer) => {
    const people = await peopleServer({ token: (sent) => answer(sent) })
    const told: unknown[] = []
    const begun = await people.begin()
    const secrets = [...begun.searchParams].filter(([name]) =>
      ['state', 'nonce', 'code_challenge'].includes(name),
    )
    const error = await failure(people.complete(people.answer(begun), { trace: (event) => told.push(event) }))
    const text = `${shown(error)} ${JSON.stringify(told)}`
    expect(text).not.toMatch(/marker|eyJ[\w-]{8}/)
    for (const [, value] of secrets) expect(text).not.toContain(value)
    const verifier = people.sentTo('/token')[0]?.form.get('code_verifier') ?? '-'
    expect(verifier).toHaveLength(43)
    expect(text).not.toContain(verifier)
  })

  it('when a refresh fails, and when the session itself is logged', async () => {
    const people = await peopleServer({
      token: (sent, n) =>
        n === 1
          ? { access_token: 'marker-access', refresh_token: 'marker-refresh' }
          : json({ error: 'invalid_request', error_description: sent.body }, 400),
    })
    const session = await people.logIn()
    expect(inspect(session, { depth: 12, showHidden: true })).not.toMatch(/marker|eyJ[\w-]{8}/)
    expect(JSON.stringify(session)).not.toMatch(/marker|eyJ[\w-]{8}/)
    people.now += 600_000
    const text = shown(await failure(session.getToken({ url: 'https://fhir.example.test/r4' })))
    expect(text).not.toContain('marker')
    // The control: they are there, for those who ask.
    expect(session.secrets()).toMatchObject({ accessToken: 'marker-access', refreshToken: 'marker-refresh' })
  })
})

describe('no error shows a secret', () => {
  it.each(hostile)('when the server %s', async (_name, answer) => {
    for (const fetch of senders(answer)) {
      for (const error of await everyError(fetch)) expect(shown(error)).not.toMatch(/marker|eyJ[\w-]{8}/)
    }
  })

  it('nor a secret that could pass for an error code', async () => {
    const clientSecret = 'marker_plain'
    const fetch: Fetch = async () => json({ error: clientSecret }, 401)
    const source = clientCredentials({ tokenEndpoint: endpoint, clientId: 'c', clientSecret, fetch })
    const error = await failure(source.getToken({ url }))
    expect(error.code).toBe('ERR_LOGIN_REQUIRED')
    expect(shown(error)).not.toContain('marker')
  })

  it('nor the signature of an assertion', async () => {
    const { privateJwk } = await createClientKey()
    let assertion = ''
    const fetch: Fetch = async (_url, init) => {
      assertion = new URLSearchParams(init.body).get('client_assertion') ?? ''
      return json({ error: 'invalid_client', error_description: assertion.split('.').join(' . ') }, 401)
    }
    const source = backendServices({
      tokenEndpoint: endpoint,
      clientId: 'c',
      key: privateJwk,
      scope: 's',
      fetch,
    })
    const text = shown(await failure(source.getToken({ url })))
    const parts = assertion.split('.')
    expect(parts).toHaveLength(3)
    for (const part of parts) expect(text).not.toContain(part)
  })

  it('and the scan finds one that is there', () => {
    const error = new Error('outer', {
      cause: Object.assign(new Error('inner'), { request: { key: 'marker' } }),
    })
    expect(shown(error)).toMatch(/marker/)
  })
})
