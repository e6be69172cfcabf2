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
): Promise<{ readonly auth: AuthConfig; readonly directory: string }> {
  const directory = await tempDirectory()
  const config = join(directory, 'config.json')
  await writeFile(config, JSON.stringify({ server, auth }))
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
