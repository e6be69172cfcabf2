import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadHome, loadSettings, type Environment, type Flags } from '../src/config/load.js'
import type { AuthConfig } from '../src/config/schema.js'
import { tempDirectory } from './support/temp.js'

const server = 'https://fhir.example.org/r4'

/** How the agent would be let in, and the directory of the config file. */
async function authOf(
  flags: Flags,
  env: Environment = {},
  auth?: object,
  encryption?: object,
): Promise<{ readonly auth: AuthConfig; readonly directory: string }> {
  const directory = await tempDirectory()
  const config = join(directory, 'config.json')
  await writeFile(config, JSON.stringify({ server, auth, encryption }))
  return { auth: (await loadSettings({ ...flags, config }, env)).auth, directory }
}

describe('flags win over the environment, the environment over the config file, setting by setting', () => {
  const inFile = {
    type: 'backend-services',
    clientId: 'of-file',
    keyFile: 'file.pem',
    keyId: 'file-key',
    scope: 'system/Patient.c',
  }

  test('a scope and a token URL change nothing else of the client in the file', async () => {
    const flags = { scope: 'system/Observation.c', tokenUrl: 'https://auth.example.org/token' }
    const { auth, directory } = await authOf(flags, { FHIR_OUTBOX_SCOPE: 'system/*.rs' }, inFile)
    expect(auth).toEqual({ ...inFile, ...flags, keyFile: join(directory, 'file.pem') })
    const { auth: fromEnvironment } = await authOf({}, { FHIR_OUTBOX_SCOPE: 'system/*.rs' }, inFile)
    expect(fromEnvironment).toMatchObject({ clientId: 'of-file', scope: 'system/*.rs' })
  })

  test('another key goes with the client id of the file', async () => {
    const { auth } = await authOf({ keyFile: '/k/other.pem', keyId: 'other' }, {}, inFile)
    expect(auth).toEqual({ ...inFile, keyFile: '/k/other.pem', keyId: 'other' })
    const { auth: secret } = await authOf({ clientSecretFile: '/k/secret' }, {}, inFile)
    expect(secret).toEqual({
      type: 'client-credentials',
      clientId: 'of-file',
      clientSecretFile: '/k/secret',
      scope: 'system/Patient.c',
    })
  })

  test('a secret in the environment goes before the file that the config names, after that of a flag', async () => {
    const withSecret = { type: 'client-credentials', clientId: 'of-file', clientSecretFile: 'secret.txt' }
    const env = { FHIR_OUTBOX_CLIENT_SECRET: 'of-environment' }
    expect((await authOf({}, env, withSecret)).auth).toEqual({
      type: 'client-credentials',
      clientId: 'of-file',
    })
    expect((await authOf({ clientSecretFile: '/k/secret' }, env, withSecret)).auth).toMatchObject({
      clientSecretFile: '/k/secret',
    })
  })

  test('a client id and a secret of the environment are one client, without the key of the file', async () => {
    const env = { FHIR_OUTBOX_CLIENT_ID: 'of-environment', FHIR_OUTBOX_CLIENT_SECRET: 'x' }
    expect((await authOf({}, env, inFile)).auth).toEqual({
      type: 'client-credentials',
      clientId: 'of-environment',
      scope: 'system/Patient.c',
    })
  })

  test('what registers itself takes a scope', async () => {
    const { auth } = await authOf({ scope: 'system/*.c' }, {}, { type: 'register', clientName: 'Ward 7' })
    expect(auth).toEqual({ type: 'register', clientName: 'Ward 7', scope: 'system/*.c' })
  })
})

describe('credentials that nobody would use are refused, for the agent would write without them', () => {
  test.each<[string, Flags, Environment, string]>([
    ['a key file', { keyFile: 'key.pem' }, {}, 'There is a private key but no client id.'],
    ['a key file', {}, { FHIR_OUTBOX_KEY_FILE: 'key.pem' }, 'There is a private key but no client id.'],
    ['a secret', { clientSecretFile: 'secret' }, {}, 'There is a client secret but no client id.'],
    ['a secret', {}, { FHIR_OUTBOX_CLIENT_SECRET: 'x' }, 'There is a client secret but no client id.'],
  ])('%s without a client: %o %o', async (_name, flags, env, message) => {
    await expect(authOf(flags, env)).rejects.toMatchObject({
      code: 'ERR_BAD_CONFIG',
      message,
      hint: 'Give --client-id, FHIR_OUTBOX_CLIENT_ID, or "auth.clientId" in the config file.',
    })
  })

  test('a key file beside a registration', async () => {
    await expect(authOf({ keyFile: 'key.pem' }, {}, { type: 'register' })).rejects.toMatchObject({
      code: 'ERR_BAD_CONFIG',
      message: 'There is a private key but no client id.',
    })
  })

  test('a secret in the environment beside a key in the config file', async () => {
    const auth = { type: 'backend-services', clientId: 'of-file', keyFile: 'file.pem' }
    const env = { FHIR_OUTBOX_CLIENT_SECRET: 'x' }
    await expect(authOf({}, env, auth)).rejects.toMatchObject({
      code: 'ERR_BAD_CONFIG',
      message: 'There is a client secret in the environment, and a private key in the config file.',
    })
    expect((await authOf({ keyFile: '/k/other.pem' }, env, auth)).auth).toMatchObject({
      type: 'backend-services',
      keyFile: '/k/other.pem',
    })
  })

  describe('a secret in the environment that only the endpoint of the envelopes uses', () => {
    const env = { FHIR_OUTBOX_CLIENT_SECRET: 'x' }
    const envelopes = (auth: object): object => ({
      url: 'https://envelopes.example.org/',
      certificate: 'certificate.pem',
      keyId: 'k1',
      auth,
    })
    const bySecret = { type: 'client-credentials', clientId: 'envelopes' }

    test('is not left aside', async () => {
      expect((await authOf({}, env, undefined, envelopes(bySecret))).auth).toEqual({ type: 'none' })
      const auth = { type: 'backend-services', clientId: 'of-file', keyFile: 'file.pem' }
      expect((await authOf({}, env, auth, envelopes(bySecret))).auth).toMatchObject({
        type: 'backend-services',
        clientId: 'of-file',
      })
    })

    test.each([
      ['a file with its own secret', { ...bySecret, clientSecretFile: 'secret.txt' }],
      ['another way in', { type: 'register' }],
    ])('is refused when that has %s', async (_name, auth) => {
      await expect(authOf({}, env, undefined, envelopes(auth))).rejects.toMatchObject({
        code: 'ERR_BAD_CONFIG',
      })
    })
  })

  test('a key and a secret', async () => {
    await expect(
      authOf({ clientId: 'me', keyFile: 'key.pem', clientSecretFile: 'secret' }),
    ).rejects.toMatchObject({
      code: 'ERR_BAD_CONFIG',
      message: 'There is a private key and a client secret.',
    })
  })
})

describe('an empty value is a slip, and never means something else', () => {
  test.each<[Flags, Environment, string]>([
    [{ directory: '' }, {}, '--directory'],
    [{ config: '' }, {}, '--config'],
    [{}, { FHIR_OUTBOX_DIRECTORY: '' }, 'FHIR_OUTBOX_DIRECTORY'],
    [{}, { FHIR_OUTBOX_CONFIG: '' }, 'FHIR_OUTBOX_CONFIG'],
    [{}, { FHIR_OUTBOX_SERVER: '' }, 'FHIR_OUTBOX_SERVER'],
    [{}, { FHIR_OUTBOX_CLIENT_ID: '' }, 'FHIR_OUTBOX_CLIENT_ID'],
    [{ clientId: 'me' }, { FHIR_OUTBOX_CLIENT_SECRET: '' }, 'FHIR_OUTBOX_CLIENT_SECRET'],
  ])('%o %o', async (flags, env, name) => {
    const says = { code: 'ERR_BAD_CONFIG', message: `${name} is empty.` }
    await expect(loadSettings(flags, { FHIR_OUTBOX_SERVER: server, ...env })).rejects.toMatchObject(says)
    if (!/SERVER|CLIENT/.test(name)) await expect(loadHome(flags, env)).rejects.toMatchObject(says)
  })

  test('but a flag goes before an empty variable', async () => {
    const env = { FHIR_OUTBOX_SERVER: '' }
    expect(await loadSettings({ server }, env)).toMatchObject({ server })
  })
})
