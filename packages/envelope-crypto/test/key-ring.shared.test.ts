import { createSealer, generateRecipient, importRecipient, keyRing } from '@fhir-outbox/envelope-crypto'
import type { GeneratedRecipient, Recipient } from '@fhir-outbox/envelope-crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { codeOf, failure, utf8 } from './support.js'

const hour = 3_600_000
const day = 24 * hour
const start = Date.UTC(2026, 0, 10)
const url = new URL('https://receiver.example/jwks.json')

/** A receiver on the network whose keys, state and clock the test sets. */
function published(): {
  keys: unknown[]
  down: boolean
  asked: number
  now: number
  fetch: typeof fetch
} {
  const world = {
    keys: [] as unknown[],
    down: false,
    asked: 0,
    now: start,
    fetch: (() => {
      world.asked++
      if (world.down) return Promise.reject(new TypeError('fetch failed'))
      return Promise.resolve(Response.json({ keys: world.keys }))
    }) as typeof fetch,
  }
  return world
}

describe('the key that is sealed for', () => {
  const made: GeneratedRecipient[] = []
  const recipients: Recipient[] = []
  beforeAll(async () => {
    for (const [keyId, from] of [
      ['last-year', start - 400 * day],
      ['this-year', start - 30 * day],
      ['next-month', start + 30 * day],
    ] as const) {
      const generated = await generateRecipient({ curve: 'P-256', keyId, days: 365, now: () => from })
      made.push(generated)
      recipients.push(await importRecipient(generated.certificatePem, { keyId, now: () => from + day }))
    }
  })

  it('is the newest that is valid, and changes when the next one begins', async () => {
    let now = start
    const ring = keyRing({ recipients, now: () => now })
    const sealer = createSealer({ recipient: ring, now: () => now })
    expect((await ring.current()).keyId).toBe('this-year')
    const header = async (): Promise<string> =>
      atob((await sealer.seal(utf8('a'))).protected.replaceAll('-', '+').replaceAll('_', '/'))
    expect(await header()).toContain('"this-year"')
    now = start + 31 * day
    expect(await header()).toContain('"next-month"')
    now = start + 5000 * day
    expect(await codeOf(() => sealer.seal(utf8('a')))).toBe('ERR_NO_VALID_RECIPIENT')
  })

  it('is the last one where keys have no dates', async () => {
    const bare = await Promise.all(made.map(({ publicJwk, keyId }) => importRecipient(publicJwk, { keyId })))
    expect((await keyRing({ recipients: bare }).current()).keyId).toBe('next-month')
  })

  it('comes from the URL, and is asked for again after an hour', async () => {
    const world = published()
    const ring = keyRing({ url, fetch: world.fetch, now: () => world.now })
    world.keys = [made[0]?.publicJwk, { kty: 'RSA', kid: 'signing', use: 'sig' }, 'garbage']
    expect((await ring.current()).keyId).toBe('last-year')
    world.keys = [made[1]?.publicJwk]
    world.now += hour - 1
    expect((await ring.current()).keyId).toBe('last-year')
    expect(world.asked).toBe(1)
    world.now += 1
    await ring.current()
    await expect.poll(async () => (await ring.current()).keyId).toBe('this-year')
    expect(world.asked).toBe(2)
  })

  it('stays while the URL is down, which is tried once a minute', async () => {
    const world = published()
    world.keys = [made[1]?.publicJwk]
    const ring = keyRing({ url, fetch: world.fetch, now: () => world.now })
    await ring.current()
    world.down = true
    for (let minutes = 60; minutes < 63; minutes++) {
      world.now = start + minutes * 60_000
      expect((await ring.current()).keyId).toBe('this-year')
      await expect.poll(() => world.asked).toBe(minutes - 58)
      // Let the failure arrive before the clock moves on.
      await new Promise((resolve) => setTimeout(resolve))
    }
  })

  it('is refused while the URL was never reached, and then found', async () => {
    const world = published()
    world.down = true
    world.keys = [made[1]?.publicJwk]
    const ring = keyRing({ url, fetch: world.fetch, now: () => world.now })
    expect(await codeOf(() => ring.current())).toBe('ERR_KEYS_UNREACHABLE')
    expect(await codeOf(() => ring.current())).toBe('ERR_KEYS_UNREACHABLE')
    expect(world.asked).toBe(1)
    world.down = false
    world.now += 60_000
    expect((await ring.current()).keyId).toBe('this-year')
    const [pinned] = recipients.slice(1)
    const other = keyRing({
      url,
      recipients: pinned ? [pinned] : [],
      fetch: () => Promise.reject(new TypeError('down')),
      now: () => start,
    })
    expect((await other.current()).keyId).toBe('this-year')
  })
})

describe('a JWKS', () => {
  const attempt = (response: () => Response, target = url): Promise<unknown> =>
    codeOf(() => importRecipient(target, { keyId: 'k1', fetch: () => Promise.resolve(response()) }))

  it('gives the key with the id', async () => {
    const { publicJwk } = await generateRecipient({ curve: 'P-256', keyId: 'k1' })
    const fetch = (): Promise<Response> =>
      Promise.resolve(Response.json({ keys: [{ kid: 'other' }, publicJwk] }))
    expect(await importRecipient(url, { keyId: 'k1', fetch })).toMatchObject({ keyId: 'k1', kind: 'EC' })
    expect(await codeOf(() => importRecipient(url, { keyId: 'k2', fetch }))).toBe('ERR_INVALID_RECIPIENT')
  })

  it.each<[string, () => Response, string]>([
    ['that is an error', () => new Response('', { status: 503 }), 'ERR_KEYS_UNREACHABLE'],
    ['that is no JSON', () => new Response('<html>'), 'ERR_INVALID_RECIPIENT'],
    ['without keys', () => Response.json([]), 'ERR_INVALID_RECIPIENT'],
    [
      'of 10,000 keys',
      () => Response.json({ keys: Array.from({ length: 10_000 }, () => ({})) }),
      'ERR_TOO_LARGE',
    ],
    ['of more than 256 KiB', () => new Response(' '.repeat(300_000)), 'ERR_TOO_LARGE'],
    ['without end', () => new Response(endless()), 'ERR_TOO_LARGE'],
  ])('is refused %s', async (_, response, code) => {
    expect(await attempt(response)).toBe(code)
  })

  it('is not fetched without https, and never through a redirect', async () => {
    expect(await attempt(() => Response.json({ keys: [] }), new URL('http://receiver.example/'))).toBe(
      'ERR_INVALID_OPTION',
    )
    let mode: unknown
    const fetch = (_: unknown, init?: RequestInit): Promise<Response> => {
      mode = init?.redirect
      return Promise.reject(new TypeError('redirected'))
    }
    expect(await codeOf(() => importRecipient(url, { keyId: 'k1', fetch }))).toBe('ERR_KEYS_UNREACHABLE')
    expect(mode).toBe('error')
  })

  it('is not asked for with a password in its URL, which no error may repeat', async () => {
    const secret = new URL('https://user:hunter2@receiver.example/jwks.json?token=t0ken')
    for (const attempted of [importRecipient(secret, { keyId: 'k1' }), keyRing({ url: secret }).current()]) {
      const error = await failure(attempted)
      expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION' })
      expect(`${error.message} ${String(error.hint)} ${String(error.cause)}`).not.toMatch(/hunter2|t0ken/)
    }
  })

  it('does not leave it to chance which of two keys with one id is meant', async () => {
    const [one, other] = await Promise.all(
      [1, 2].map(async () => (await generateRecipient({ curve: 'P-256', keyId: 'k1' })).publicJwk),
    )
    const fetch = (): Promise<Response> => Promise.resolve(Response.json({ keys: [one, other] }))
    expect(await codeOf(() => importRecipient(url, { keyId: 'k1', fetch }))).toBe('ERR_INVALID_RECIPIENT')
    expect(await codeOf(() => keyRing({ url, fetch }).current())).toBe('ERR_NO_VALID_RECIPIENT')
    // The same key twice, or one of them for signatures, is no riddle.
    const signing = { ...other, use: 'sig', alg: 'ES256' }
    for (const keys of [
      [one, one],
      [signing, one],
    ]) {
      const clear = (): Promise<Response> => Promise.resolve(Response.json({ keys }))
      const found = await importRecipient(url, { keyId: 'k1', fetch: clear })
      expect(found.spki).toEqual((await importRecipient(one ?? {}, { keyId: 'k1' })).spki)
      expect((await keyRing({ url, fetch: clear }).current()).spki).toEqual(found.spki)
    }
  })

  it('is given up when the caller gives up, also by a fetch that does not listen', async () => {
    for (const stuck of [
      (): Promise<Response> => new Promise(() => undefined),
      (): Promise<Response> =>
        Promise.resolve(new Response(new ReadableStream({ pull: () => new Promise(() => undefined) }))),
    ]) {
      const controller = new AbortController()
      const attempted = importRecipient(url, { keyId: 'k1', fetch: stuck, signal: controller.signal })
      controller.abort()
      await expect(attempted).rejects.toMatchObject({ name: 'AbortError' })
    }
  })

  it('is given up when the caller gives up', async () => {
    const controller = new AbortController()
    const fetch = (): Promise<Response> => {
      controller.abort()
      return Promise.reject(new TypeError('aborted'))
    }
    const attempted = importRecipient(url, { keyId: 'k1', fetch, signal: controller.signal })
    await expect(attempted).rejects.toMatchObject({ name: 'AbortError' })
  })
})

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(10_000))
    },
  })
}
