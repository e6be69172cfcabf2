import { describe, expect, it } from 'vitest'
import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importJWK,
  jwtVerify,
  type JWK,
} from 'jose'
import { backendServices, createClientKey, type BackendServicesOptions } from '@fhir-outbox/smart-auth'
import { failure, fakeFetch, json, thrown, token, type FakeFetch } from './support/fake-fetch.js'

const url = 'https://fhir.example.test/r4/Observation'
const tokenEndpoint = 'https://auth.example.test:443/token'
const start = 1_700_000_000_000

type Options = Partial<BackendServicesOptions> & Pick<BackendServicesOptions, 'key'>

async function assertionFrom(options: Options): Promise<string> {
  const server = fakeFetch(() => token('t'))
  await ask(server, options)
  const [sent] = server.sent
  expect(sent?.headers).not.toHaveProperty('authorization')
  expect(Object.fromEntries(sent?.form ?? [])).toEqual({
    grant_type: 'client_credentials',
    scope: 'system/Observation.c',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: expect.any(String),
  })
  return sent?.form.get('client_assertion') ?? ''
}

function ask(server: FakeFetch, options: Options): Promise<unknown> {
  return backendServices({
    tokenEndpoint,
    clientId: 'gateway',
    scope: 'system/Observation.c',
    fetch: server.fetch,
    now: () => start,
    ...options,
  }).getToken({ url })
}

async function verify(assertion: string, publicJwk: JWK, alg: string): Promise<void> {
  const key = await importJWK(publicJwk, alg)
  await jwtVerify(assertion, key, { algorithms: [alg], typ: 'JWT', currentDate: new Date(start) })
}

describe('backendServices', () => {
  it('signs the assertion that SMART describes', async () => {
    const { privateJwk, publicJwk, kid } = await createClientKey()
    const assertion = await assertionFrom({ key: privateJwk, alg: 'ES384', kid })
    await verify(assertion, publicJwk, 'ES384')
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'ES384', kid, typ: 'JWT' })
    const claims = decodeJwt(assertion)
    expect(claims).toEqual({
      iss: 'gateway',
      sub: 'gateway',
      aud: tokenEndpoint,
      iat: start / 1000 - 140,
      exp: start / 1000 + 150,
      jti: expect.stringMatching(/^[\w-]{22}$/),
    })
  })

  it('signs with RS384', async () => {
    const pair = await generateKeyPair('RS384', { extractable: true })
    const assertion = await assertionFrom({ key: await exportJWK(pair.privateKey), alg: 'RS384', kid: 'r1' })
    await verify(assertion, await exportJWK(pair.publicKey), 'RS384')
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'RS384', kid: 'r1', typ: 'JWT' })
  })

  it('signs with a key that cannot be exported', async () => {
    const pair = await generateKeyPair('ES384', { extractable: false })
    expect(pair.privateKey.extractable).toBe(false)
    const assertion = await assertionFrom({ key: pair.privateKey, kid: 'k' })
    await verify(assertion, await exportJWK(pair.publicKey), 'ES384')
  })

  it('signs with a PEM key', async () => {
    const pair = await generateKeyPair('ES384', { extractable: true })
    const assertion = await assertionFrom({ key: `\n${await exportPKCS8(pair.privateKey)}\n`, kid: 'k' })
    await verify(assertion, await exportJWK(pair.publicKey), 'ES384')
  })

  it('has an external signer sign', async () => {
    const pair = await generateKeyPair('ES384', { extractable: false })
    const sign = async (data: Uint8Array): Promise<Uint8Array> => {
      const algorithm = { name: 'ECDSA', hash: 'SHA-384' }
      return new Uint8Array(await crypto.subtle.sign(algorithm, pair.privateKey, new Uint8Array(data)))
    }
    const assertion = await assertionFrom({ key: { sign }, kid: 'hsm-1' })
    await verify(assertion, await exportJWK(pair.publicKey), 'ES384')
    expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'ES384', kid: 'hsm-1', typ: 'JWT' })
  })

  it('takes the kid from the JWK', async () => {
    const { privateJwk, kid } = await createClientKey()
    expect(decodeProtectedHeader(await assertionFrom({ key: privateJwk })).kid).toBe(kid)
  })

  it('makes a new jti for every attempt, failed ones included', async () => {
    const { privateJwk } = await createClientKey()
    const server = fakeFetch((_sent, n) => (n < 2 ? json({}, 503) : token('t', { expires_in: 0 })))
    const tokens = backendServices({
      tokenEndpoint,
      clientId: 'gateway',
      key: privateJwk,
      scope: 'system/*.c',
      fetch: server.fetch,
    })
    await failure(tokens.getToken({ url }))
    await failure(tokens.getToken({ url }))
    await tokens.getToken({ url })
    await tokens.getToken({ url })
    const ids = server.sent.map(({ form }) => decodeJwt(form.get('client_assertion') ?? '').jti)
    expect(new Set(ids).size).toBe(4)
  })

  it('uses the given randomness', async () => {
    const { privateJwk } = await createClientKey()
    const assertion = await assertionFrom({ key: privateJwk, randomId: () => 'given' })
    expect(decodeJwt(assertion).jti).toBe('given')
  })

  it('addresses the assertion to the issuer, or to a fixed text', async () => {
    const { privateJwk } = await createClientKey()
    const server = fakeFetch(({ url: asked }) =>
      asked.endsWith('smart-configuration')
        ? json({ issuer: 'https://auth.example.test', token_endpoint: 'https://auth.example.test/token' })
        : token('t'),
    )
    const discovered = { key: privateJwk, fhirBaseUrl: 'https://fhir.example.test/r4' }
    await ask(server, { ...discovered, assertionAudience: 'issuer' })
    const assertion = server.sent.at(-1)?.form.get('client_assertion') ?? ''
    expect(decodeJwt(assertion).aud).toBe('https://auth.example.test')
    const fixed = await assertionFrom({ key: privateJwk, assertionAudience: 'urn:server' })
    expect(decodeJwt(fixed).aud).toBe('urn:server')
  })

  it('needs a person when the issuer is wanted and none is stated', async () => {
    const { privateJwk } = await createClientKey()
    const server = fakeFetch(() => json({ token_endpoint: 'https://auth.example.test/token' }))
    const options = { fhirBaseUrl: 'https://fhir.example.test/r4', assertionAudience: 'issuer' }
    const error = await failure(ask(server, { key: privateJwk, ...options }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', cause: { code: 'ERR_INVALID_OPTIONS' } })
  })

  it('refuses keys that cannot serve', async () => {
    const { privateJwk, publicJwk } = await createClientKey()
    const p256 = await generateKeyPair('ES256', { extractable: true })
    const server = fakeFetch(() => token('t'))
    const refused = (options: Options): string => thrown(() => ask(server, { kid: 'k', ...options })).code
    expect(refused({ key: publicJwk })).toBe('ERR_INVALID_KEY')
    expect(refused({ key: p256.privateKey })).toBe('ERR_INVALID_KEY')
    expect(refused({ key: await exportJWK(p256.privateKey) })).toBe('ERR_INVALID_KEY')
    expect(refused({ key: { kty: 'oct', k: 'AAAA' } })).toBe('ERR_INVALID_KEY')
    expect(refused({ key: privateJwk, alg: 'RS384' })).toBe('ERR_INVALID_KEY')
    expect(refused({ key: '-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----' })).toBe(
      'ERR_INVALID_KEY',
    )
    expect(refused({ key: { sign: async () => new Uint8Array() }, kid: '' })).toBe('ERR_INVALID_OPTIONS')
    expect(server.sent).toHaveLength(0)
  })

  it('needs a person when a key turns out to be broken', async () => {
    const server = fakeFetch(() => token('t'))
    const pem = '-----BEGIN PRIVATE KEY-----\nbWFya2VyLWtleQ==\n-----END PRIVATE KEY-----'
    const { privateJwk } = await createClientKey()
    for (const key of [pem, { ...privateJwk, d: 'bWFya2VyLWtleQ' }]) {
      const error = await failure(ask(server, { key, kid: 'k' }))
      expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', cause: { code: 'ERR_INVALID_KEY' } })
    }
    expect(server.sent).toHaveLength(0)
  })

  it('refuses a DER signature of an external signer', async () => {
    const server = fakeFetch(() => token('t'))
    const sign = async (): Promise<Uint8Array> => new Uint8Array(103)
    const error = await failure(ask(server, { key: { sign }, kid: 'k' }))
    expect(error).toMatchObject({ code: 'ERR_LOGIN_REQUIRED', cause: { code: 'ERR_INVALID_KEY' } })
  })

  it('takes a key service that is out of reach as a reason to try later', async () => {
    const server = fakeFetch(() => token('t'))
    let up = false
    const { privateKey } = await generateKeyPair('ES384')
    const sign = async (data: Uint8Array): Promise<Uint8Array> => {
      if (!up) throw new TypeError('marker-secret in a foreign message')
      const algorithm = { name: 'ECDSA', hash: 'SHA-384' }
      return new Uint8Array(await crypto.subtle.sign(algorithm, privateKey, new Uint8Array(data)))
    }
    const options = { tokenEndpoint, clientId: 'gateway', scope: 'system/*.c', fetch: server.fetch }
    const tokens = backendServices({ ...options, key: { sign }, kid: 'k' })
    const error = await failure(tokens.getToken({ url }))
    expect(error.code).toBe('ERR_AUTH_UNREACHABLE')
    expect(String(error.cause)).not.toContain('marker')
    up = true
    await expect(tokens.getToken({ url })).resolves.toMatchObject({ value: 't' })
  })
})

describe('createClientKey', () => {
  it('makes a new pair each time, the private part only in privateJwk', async () => {
    const [one, two] = await Promise.all([createClientKey(), createClientKey()])
    expect(one.kid).not.toBe(two.kid)
    expect(one.publicJwk).toEqual({
      kty: 'EC',
      crv: 'P-384',
      x: expect.any(String),
      y: expect.any(String),
      kid: one.kid,
      alg: 'ES384',
      use: 'sig',
    })
    expect(one.privateJwk).toMatchObject({ ...one.publicJwk, d: expect.any(String) })
  })
})
