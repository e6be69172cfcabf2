import { toBase64 } from '../bytes.js'
import { der, derBitString, derInteger, derSequence, derText } from './der.js'

/** A receiver's RSA key pair in the one form that survives export and restore. */
export interface ReceiverKeyPair {
  readonly privateJwk: JsonWebKey
  readonly certificatePem: string
}

const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const
// sha256WithRSAEncryption and commonName, as DER.
const signatureAlgorithm = derSequence(
  Uint8Array.of(0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b),
  Uint8Array.of(0x05, 0),
)
const commonName = Uint8Array.of(0x06, 3, 0x55, 0x04, 0x03)

/** Makes an RSA-2048 pair with a self-signed certificate whose common name is the key id. */
export async function generateReceiverKeyPair(keyId: string, serial: Uint8Array): Promise<ReceiverKeyPair> {
  const { subtle } = globalThis.crypto
  const pair = await subtle.generateKey(
    { ...algorithm, modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) },
    true,
    ['sign', 'verify'],
  )
  const name = derSequence(der(0x31, derSequence(commonName, derText(0x0c, keyId))))
  // Fixed dates: a mock clock may stand anywhere, and a client may check against the real one.
  const validity = derSequence(derText(0x17, '200101000000Z'), derText(0x17, '491231235959Z'))
  const toBeSigned = derSequence(
    der(0xa0, derInteger(Uint8Array.of(2))),
    derInteger(Uint8Array.of(1, ...serial)),
    signatureAlgorithm,
    name,
    validity,
    name,
    new Uint8Array(await subtle.exportKey('spki', pair.publicKey)),
  )
  const signature = new Uint8Array(
    await subtle.sign(algorithm.name, pair.privateKey, new Uint8Array(toBeSigned)),
  )
  const certificate = derSequence(toBeSigned, signatureAlgorithm, derBitString(signature))
  const { alg: _alg, key_ops: _ops, ...privateJwk } = await subtle.exportKey('jwk', pair.privateKey)
  const lines = toBase64(certificate).match(/.{1,64}/g) ?? []
  const certificatePem = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
  return { privateJwk, certificatePem }
}
