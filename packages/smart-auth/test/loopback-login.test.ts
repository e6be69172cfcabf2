import { request } from 'node:http'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { memorySecretStore, restoreSession, type Fetch } from '@fhir-outbox/smart-auth'
import { loopbackLogin, type LoopbackLoginOptions } from '@fhir-outbox/smart-auth/node'
import { failure } from './support/fake-fetch.js'
import { base, peopleServer } from './support/people-server.js'

interface Visit {
  readonly status: number
  readonly body: string
  readonly headers: NodeJS.Dict<string | string[]>
}

/** One request as raw as it must be: fetch would not send another Host. */
function visit(address: string, more: { method?: string; host?: string } = {}): Promise<Visit> {
  const url = new URL(address)
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: url.port,
        path: `${url.pathname}${url.search}`,
        method: more.method ?? 'GET',
        headers: { host: more.host ?? url.host },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), headers: response.headers })) // prettier-ignore
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

/** A login whose person does what the test says, with the address of the login and the one to come back to. */
async function login(
  person: (back: string, url: URL) => Promise<unknown>,
  options: Partial<LoopbackLoginOptions> = {},
): Promise<{
  store: ReturnType<typeof memorySecretStore>
  session: ReturnType<typeof loopbackLogin>
  opened: Promise<URL>
}> {
  const people = await peopleServer()
  const store = memorySecretStore()
  // The id_token must answer the nonce of this login.
  const fetch: Fetch = (url, init) => people.fetch(url, init)
  let tell: (url: URL) => void = () => undefined
  const opened = new Promise<URL>((resolve) => {
    tell = resolve
  })
  const session = loopbackLogin({
    store,
    fhirBaseUrl: base,
    clientId: 'app',
    scope: 'patient/*.rs',
    fetch,
    now: () => people.now,
    open: (text) => {
      const url = new URL(text)
      tell(url)
      void person(people.answer(url), url).catch(() => undefined)
    },
    ...options,
  })
  session.catch(() => undefined)
  return { store, session, opened }
}

describe('loopbackLogin', () => {
  it('listens on 127.0.0.1 at a random path, completes the login, and stops listening', async () => {
    let page: Visit | undefined
    const { store, session, opened } = await login(async (back) => {
      page = await visit(back)
    })
    expect((await session).fhirBaseUrl).toBe(base)
    const redirect = new URL((await opened).searchParams.get('redirect_uri') ?? '')
    expect(redirect.hostname).toBe('127.0.0.1')
    expect(redirect.pathname).toMatch(/^\/[\w-]{24}$/)
    await vi.waitFor(() => expect(page?.status).toBe(200))
    expect(page?.headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
    expect(page?.body).not.toMatch(/marker|access-1|refresh-1|state/)
    await expect(visit(redirect.href)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(await restoreSession({ store, fhirBaseUrl: base })).toBeDefined()
  })

  it('answers nothing but the one address it gave out', async () => {
    const seen: number[] = []
    const { session } = await login(async (back) => {
      const { port, search } = new URL(back)
      seen.push((await visit(back.replace(/\/[\w-]{24}\?/, '/other?'))).status)
      seen.push((await visit(back, { method: 'POST' })).status)
      seen.push((await visit(back, { host: `evil.example.test:${port}` })).status)
      seen.push((await visit(back, { host: `localhost:${port}` })).status)
      seen.push((await visit(`http://127.0.0.1:${port}/${search}`)).status)
      await visit(back)
    })
    await session
    expect(seen).toEqual([404, 404, 404, 404, 404])
  })

  it('takes one answer: a forged one ends the login', async () => {
    let page: Visit | undefined
    const { session } = await login(async (back) => {
      page = await visit(back.replace(/state=[^&]+/, 'state=guessed'))
    })
    expect((await failure(session)).code).toBe('ERR_CALLBACK_REFUSED')
    await vi.waitFor(() => expect(page?.status).toBe(400))
    expect(page?.body).not.toContain('guessed')
  })

  it('does not wait for the browser to be closed, and takes no limit for none', async () => {
    const people = await peopleServer()
    const options = {
      store: memorySecretStore(),
      fhirBaseUrl: base,
      clientId: 'app',
      scope: 'patient/*.rs',
      fetch: people.fetch,
      now: () => people.now,
      waitMs: Infinity,
    }
    const open = (text: string): Promise<never> => {
      void visit(people.answer(new URL(text)))
      return new Promise(() => undefined)
    }
    expect((await loopbackLogin({ ...options, open })).fhirBaseUrl).toBe(base)
    const failing = (): Promise<never> => Promise.reject(new Error('no browser here'))
    await expect(loopbackLogin({ ...options, open: failing })).rejects.toThrow('no browser here')
  })

  it.each(['throws', 'rejects'])('leaves no timer behind when opening %s', async (how) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const open = (): Promise<void> => {
      if (how === 'throws') throw new Error('no browser here')
      return Promise.reject(new Error('no browser here'))
    }
    const { session } = await login(async () => undefined, { open })
    await expect(session).rejects.toThrow('no browser here')
    await Promise.resolve()
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each([0, -1, Number.NaN])('refuses to wait %d ms, under the name of the option', async (waitMs) => {
    const { session } = await login(async () => undefined, { waitMs })
    expect(await failure(session)).toMatchObject({
      code: 'ERR_INVALID_OPTIONS',
      message: 'waitMs is not a time',
    })
  })

  it('ends when nobody comes back in time, and on demand', async () => {
    const late = await login(async () => undefined, { waitMs: 30 })
    expect((await failure(late.session)).code).toBe('ERR_CALLBACK_REFUSED')
    const controller = new AbortController()
    const given = await login(async () => controller.abort(), { signal: controller.signal })
    await expect(given.session).rejects.toMatchObject({ name: 'AbortError' })
    const redirect = (await given.opened).searchParams.get('redirect_uri') ?? ''
    await expect(visit(redirect)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('says when its port is taken, and keeps to the path it is given', async () => {
    const first = await login(async () => undefined, { path: '/callback', waitMs: 5_000 })
    const redirect = new URL((await first.opened).searchParams.get('redirect_uri') ?? '')
    expect(redirect.pathname).toBe('/callback')
    const second = await login(async () => undefined, { port: Number(redirect.port) })
    expect((await failure(second.session)).code).toBe('ERR_INVALID_OPTIONS')
    await visit(
      `${redirect.href}?error=access_denied&state=${(await first.opened).searchParams.get('state') ?? ''}`,
    )
    expect((await failure(first.session)).code).toBe('ERR_AUTHORIZATION_REFUSED')
  })
})
