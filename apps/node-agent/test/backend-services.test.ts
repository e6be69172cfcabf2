import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { agent } from './support/agent.js'
import { startMock } from './support/mock.js'
import { patient } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const p256 = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey

/** Sends with a key in that form to a server that knows it. */
async function sendWith(
  key: KeyObject,
  alg: string,
  content: string | Buffer,
): Promise<Awaited<ReturnType<typeof agent>> & { readonly file: string }> {
  const directory = await tempDirectory()
  const { mock, fhir } = await startMock({})
  const jwk = { ...createPublicKey(key).export({ format: 'jwk' }), kid: 'k1', alg, use: 'sig' }
  mock.state.addClient({ clientId: 'gateway', jwks: { keys: [jwk] } })
  const file = join(directory, 'key')
  await writeFile(file, content)
  const place = ['--server', fhir, '--directory', join(directory, 'home')]
  const client = ['--client-id', 'gateway', '--key-file', file, '--key-id', 'k1']
  return { ...(await agent(['send', '-', ...place, ...client], { stdin: JSON.stringify(patient) })), file }
}

test.each<[string, KeyObject, string, string | Buffer]>([
  ['P-384, PKCS#8', p384, 'ES384', p384.export({ type: 'pkcs8', format: 'pem' })],
  ['P-384 as openssl writes it', p384, 'ES384', p384.export({ type: 'sec1', format: 'pem' })],
  ['P-384, JWK', p384, 'ES384', JSON.stringify(p384.export({ format: 'jwk' }))],
  ['RSA, PKCS#8', rsa, 'RS384', rsa.export({ type: 'pkcs8', format: 'pem' })],
  ['RSA, JWK', rsa, 'RS384', JSON.stringify(rsa.export({ format: 'jwk' }))],
])('a client with a private key is let in: %s', async (_name, key, alg, content) => {
  expect(await sendWith(key, alg, content)).toMatchObject({ code: 0, stdout: '1 accepted\n1 delivered\n' })
})

test('a key that SMART does not know is refused before anything is accepted', async () => {
  const sent = await sendWith(p256, 'ES256', p256.export({ type: 'pkcs8', format: 'pem' }))
  expect(sent).toMatchObject({ code: 6, stdout: '' })
  expect(sent.stderr).toContain(`${sent.file}: Its key is of a kind that SMART servers do not take.`)
})
