import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StoredClient } from '@fhir-outbox/smart-auth'
import { fileCredentialStore } from '@fhir-outbox/smart-auth/node'
import { failure } from './support/fake-fetch.js'

const client: StoredClient = {
  version: 1,
  server: 'https://fhir.example.test/r4',
  clientId: 'c1',
  authMethod: 'client_secret_basic',
  clientSecret: 'marker-secret',
  clientSecretExpiresAt: 0,
  scope: 'system/*.c',
  registeredAt: 5,
  confirmed: false,
  replacements: 0,
}

let directory = ''
let path = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smart-auth-'))
  path = join(directory, 'deep', 'client.json')
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('fileCredentialStore', () => {
  it('has nothing at first, keeps what it is given, and clears', async () => {
    const store = fileCredentialStore(path)
    expect(await store.load()).toBeUndefined()
    await store.save(client)
    expect(await fileCredentialStore(path).load()).toEqual(client)
    await store.clear()
    await store.clear()
    expect(await store.load()).toBeUndefined()
  })

  it('keeps a private key', async () => {
    const privateJwk = { kty: 'EC', crv: 'P-384', x: 'x', y: 'y', d: 'd' }
    const { clientSecret: _secret, ...rest } = client
    const keyed: StoredClient = {
      ...rest,
      authMethod: 'private_key_jwt',
      key: { alg: 'ES384', kid: 'k', privateJwk },
    }
    await fileCredentialStore(path).save(keyed)
    expect(await fileCredentialStore(path).load()).toEqual(keyed)
  })

  it('is readable by its owner only and leaves no other file', async () => {
    const store = fileCredentialStore(path)
    await store.save(client)
    await Promise.all([1, 2, 3].map((n) => store.save({ ...client, replacements: n })))
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await stat(join(directory, 'deep'))).mode & 0o777).toBe(0o700)
    expect(await readdir(join(directory, 'deep'))).toEqual(['client.json'])
    expect(await store.load()).toMatchObject({ replacements: 3 })
  })

  it.each([0o640, 0o604, 0o660])('refuses a file of mode %o', async (mode) => {
    const store = fileCredentialStore(path)
    await store.save(client)
    await chmod(path, mode)
    expect((await failure(store.load())).code).toBe('ERR_CREDENTIALS_UNREADABLE')
    await store.save(client)
    expect(await store.load()).toEqual(client)
  })

  it('follows no link, and replaces a link rather than its target', async () => {
    const target = join(directory, 'target.json')
    await writeFile(target, JSON.stringify({ ...client, clientId: 'planted' }), { mode: 0o600 })
    await mkdir(join(directory, 'deep'))
    await symlink(target, path)
    const store = fileCredentialStore(path)
    expect((await failure(store.load())).code).toBe('ERR_CREDENTIALS_UNREADABLE')
    await store.save(client)
    expect(await store.load()).toEqual(client)
    expect(await readFile(target, 'utf8')).toContain('planted')
  })

  it.each([
    ['a torn file', JSON.stringify(client).slice(0, -9)],
    ['an empty file', ''],
    ['another object', '{"clientSecret":"marker-secret"}'],
    ['a huge file', JSON.stringify({ ...client, pad: 'x'.repeat(70_000) })],
  ])('refuses %s without quoting it', async (_name, text) => {
    await mkdir(join(directory, 'deep'))
    await writeFile(path, text, { mode: 0o600 })
    const error = await failure(fileCredentialStore(path).load())
    expect(error.code).toBe('ERR_CREDENTIALS_UNREADABLE')
    expect(inspect(error, { depth: 9 })).not.toContain('marker')
  })

  it('says so when it cannot write or read, and keeps the old file', async () => {
    await mkdir(path, { recursive: true })
    const store = fileCredentialStore(path)
    const error = await failure(store.save(client))
    expect(error.code).toBe('ERR_CREDENTIALS_UNWRITABLE')
    expect(inspect(error, { depth: 9 })).not.toContain('marker')
    expect((await failure(store.load())).code).toBe('ERR_CREDENTIALS_UNREADABLE')
    expect((await failure(store.clear())).code).toBe('ERR_CREDENTIALS_UNWRITABLE')
    expect(await readdir(join(directory, 'deep'))).toEqual(['client.json'])
  })
})
