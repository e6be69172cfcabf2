import { afterEach, describe, expect, it } from 'vitest'
import { credentialsIn, deviceRegistration, dynamicClient } from '@fhir-outbox/smart-auth'
import { openBrowserStore, type BrowserStore } from '@fhir-outbox/smart-auth/browser'
import { decodeJwt } from 'jose'
import { deferred, failure, fakeFetch, json, token } from './support/fake-fetch.js'

let count = 0
const open: BrowserStore[] = []
const names = new Set<string>()

async function store(name: string, tabStorage?: Storage): Promise<BrowserStore> {
  const made = await openBrowserStore({ name, ...(tabStorage === undefined ? {} : { tabStorage }) })
  open.push(made)
  names.add(name)
  return made
}

function freshName(): string {
  count += 1
  return `smart-auth-test-${Date.now()}-${count}`
}

afterEach(async () => {
  for (const each of open.splice(0)) each.close()
  for (const name of names) {
    await new Promise((resolve) => {
      const request = indexedDB.deleteDatabase(name)
      request.onsuccess = resolve
      request.onerror = resolve
    })
  }
  names.clear()
  sessionStorage.clear()
})

async function rows(name: string): Promise<readonly unknown[]> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(new Error('not opened'))
  })
  const all = await new Promise<unknown[]>((resolve, reject) => {
    const request = database.transaction('secrets').objectStore('secrets').getAll()
    request.onsuccess = () => resolve(request.result as unknown[])
    request.onerror = () => reject(new Error('not read'))
  })
  database.close()
  return all
}

function text(value: unknown): string {
  if (value instanceof Uint8Array) return String.fromCharCode(...value)
  return typeof value === 'object' && value !== null ? Object.values(value).map(text).join() : String(value)
}

describe('openBrowserStore', () => {
  it('keeps what it is given, sealed, for the next visit', async () => {
    const name = freshName()
    const first = await store(name)
    await first.set('a', { data: { token: 'marker-secret' } })
    const second = await store(name)
    expect(await second.get('a')).toEqual({ data: { token: 'marker-secret' } })
    expect(await second.ids()).toEqual(['a'])
    expect((await rows(name)).map(text).join()).not.toContain('marker')
    await second.delete('a')
    await second.delete('a')
    expect([await first.get('a'), await first.ids()]).toEqual([undefined, []])
  })

  it('agrees on one key when two tabs open it first at the same moment', async () => {
    const name = freshName()
    const [one, two] = await Promise.all([store(name), store(name)])
    await one.set('a', { data: { n: 1 } })
    expect(await two.get('a')).toEqual({ data: { n: 1 } })
  })

  it('has no key that could be taken out', async () => {
    const name = freshName()
    await store(name)
    const key = (await rows(name)).find((row): row is CryptoKey => row instanceof CryptoKey)
    expect(key?.extractable).toBe(false)
    await expect(crypto.subtle.exportKey('raw', key as CryptoKey)).rejects.toThrow()
  })

  it('refuses a record that was moved under another name', async () => {
    const name = freshName()
    const made = await store(name)
    await made.set('admin', { data: { n: 1 } })
    const [sealed] = (await rows(name)).filter((row) => !(row instanceof CryptoKey))
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open(name)
      request.onsuccess = () => resolve(request.result)
    })
    await new Promise((resolve) => {
      const transaction = database.transaction('secrets', 'readwrite')
      transaction.objectStore('secrets').put(sealed, 'record:guest')
      transaction.oncomplete = resolve
    })
    database.close()
    expect((await failure(made.get('guest'))).code).toBe('ERR_CREDENTIALS_UNREADABLE')
  })

  it('locks a name across its handles, and lets go after a failure', async () => {
    const name = freshName()
    const [one, two] = [await store(name), await store(name)]
    const gate = deferred<void>()
    const order: string[] = []
    const first = one.lock('a', async (lease) => {
      await gate.promise
      order.push(`first ${await lease.stillHeld()}`)
      throw new Error('inside')
    })
    const second = two.lock('a', async () => order.push('second'))
    await two.lock('b', async () => order.push('b'))
    const controller = new AbortController()
    const third = two.lock('a', async () => undefined, controller.signal)
    controller.abort()
    await expect(third).rejects.toMatchObject({ name: 'AbortError' })
    gate.resolve()
    await expect(first).rejects.toThrow('inside')
    await second
    expect(order).toEqual(['b', 'first true', 'second'])
  })

  it('keeps logins under way in the tab, sealed, and gives each out once', async () => {
    const name = freshName()
    const made = await store(name)
    await made.transactions.put('login:x', { data: { codeVerifier: 'marker-verifier' } })
    expect(JSON.stringify({ ...sessionStorage })).toContain('login:x')
    expect(JSON.stringify({ ...sessionStorage })).not.toContain('marker')
    expect(await made.ids()).toEqual([])
    const taken = await Promise.all([made.transactions.take('login:x'), made.transactions.take('login:x')])
    expect(taken).toEqual([{ data: { codeVerifier: 'marker-verifier' } }, undefined])
  })

  it('serves a worker too, which has no tab: logins under way lie in the database, each given out once', async () => {
    const name = freshName()
    names.add(name)
    const script = new URL('./support/store-worker.ts', import.meta.url)
    const worker = new Worker(script, { type: 'module', name })
    try {
      const answer = new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data)
        worker.onerror = ({ message }) => reject(new Error(message))
      })
      expect(await answer).toEqual({
        hasTab: false,
        person: 'person-1',
        again: 'ERR_CALLBACK_REFUSED',
        foreign: 'ERR_CALLBACK_REFUSED',
        ids: ['session:default:https://fhir.example.test/r4'],
      })
      expect(await (await store(name)).ids()).toHaveLength(1)
      expect((await rows(name)).map(text).join()).not.toMatch(/access-1|refresh-1/)
    } finally {
      worker.terminate()
    }
  })

  it('outlives its database: what the person cleared is gone, and new things are kept', async () => {
    const name = freshName()
    const [one, two] = [await store(name), await store(name)]
    await one.set('a', { data: { n: 1 } })
    await new Promise((resolve) => {
      indexedDB.deleteDatabase(name).onsuccess = resolve
    })
    // The first to come back brings the key, and the others take it.
    const later = await store(name)
    await one.set('b', { data: { n: 2 } })
    expect(await Promise.all([one.get('a'), two.get('a'), later.get('a')])).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    await later.set('c', { data: { n: 3 } })
    for (const each of [one, two, later, await store(name)]) {
      expect([await each.get('b'), await each.get('c')]).toEqual([{ data: { n: 2 } }, { data: { n: 3 } }])
    }
  })

  it('gives nothing more when it is closed', async () => {
    const made = await store(freshName())
    await made.set('a', { data: { n: 1 } })
    made.close()
    expect((await failure(made.get('a'))).code).toBe('ERR_CREDENTIALS_UNREADABLE')
    expect((await failure(made.delete('a'))).code).toBe('ERR_CREDENTIALS_UNREADABLE')
  })

  it('says when a page that is shut in may keep nothing', async () => {
    const real = Object.getOwnPropertyDescriptor(globalThis, 'sessionStorage') ?? {}
    Object.defineProperty(globalThis, 'sessionStorage', {
      configurable: true,
      get: () => {
        throw new DOMException('sandboxed', 'SecurityError')
      },
    })
    try {
      expect((await failure(store(freshName()))).code).toBe('ERR_CREDENTIALS_UNREADABLE')
    } finally {
      Object.defineProperty(globalThis, 'sessionStorage', real)
    }
  })

  it('says when the page may not store data', async () => {
    const full = {
      getItem: () => null,
      removeItem: () => undefined,
      setItem: () => {
        throw new DOMException('full', 'QuotaExceededError')
      },
    } as unknown as Storage
    const made = await store(freshName(), full)
    expect((await failure(made.transactions.put('x', { data: {} }))).code).toBe('ERR_CREDENTIALS_UNWRITABLE')
  })
})

describe('a client of this one device', () => {
  it('has a key that never leaves the browser, and still knows it after a restart', async () => {
    const name = freshName()
    const assertions: string[] = []
    const server = fakeFetch(({ url, form }) => {
      if (url.endsWith('/register'))
        return json({ client_id: 'device-1', token_endpoint_auth_method: 'none' }, 201)
      assertions.push(form.get('assertion') ?? '')
      return token('t')
    })
    const client = async (): ReturnType<typeof make> => make(await store(name))
    const make = async (from: BrowserStore): Promise<ReturnType<typeof dynamicClient>> =>
      dynamicClient({
        tokenEndpoint: 'https://auth.example.test/token',
        registrationEndpoint: 'https://auth.example.test/register',
        credentials: credentialsIn(from, 'device'),
        registration: deviceRegistration({
          softwareId: 'app',
          initialAccessToken: async () => 'marker-initial',
        }),
        clientName: 'Phone',
        scope: 'system/Observation.c',
        fetch: server.fetch,
      })
    const url = 'https://fhir.example.test/r4'
    await (await client()).getToken({ url })
    await (await client()).getToken({ url })
    expect(server.sent.filter((sent) => sent.url.endsWith('/register'))).toHaveLength(1)
    expect(assertions.map((assertion) => decodeJwt(assertion).iss)).toEqual(['device-1', 'device-1'])
    const keys = (await rows(name))
      .flatMap((row) => [row, (row as { key?: unknown }).key])
      .filter((each) => each instanceof CryptoKey)
    expect(keys).toHaveLength(2)
    for (const key of keys) expect((key as CryptoKey).extractable).toBe(false)
    expect((await rows(name)).map(text).join()).not.toContain('marker')
  })
})
