import { invalidOption, oneOf, wholeNumber } from './internal/options.js'
import { writePem } from './internal/pem.js'
import { webCrypto } from './internal/web-crypto.js'
import { writeSelfSigned } from './internal/x509-write.js'
import { requireKeyId } from './key-id.js'

const dayMs = 24 * 60 * 60 * 1000
const hourMs = 60 * 60 * 1000

export interface GenerateRecipientOptions {
  /** Default: a new UUID v4. */
  readonly keyId?: string
  /** RSA modulus. Default 3072. */
  readonly bits?: 2048 | 3072 | 4096
  /** How long the certificate is valid. Default 730, at most 7300. */
  readonly days?: number
  /** Common name of subject and issuer, 1 to 64 characters. Default: the key id, cut to 64. */
  readonly commonName?: string
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

export interface GeneratedRecipient {
  readonly keyId: string
  /** Self-signed, for the sender. */
  readonly certificatePem: string
  readonly certificateDer: Uint8Array<ArrayBuffer>
  /** PKCS#8 without passphrase, for the receiver alone. */
  readonly privateKeyPkcs8Pem: string
  /** The public key again, with `kid`, `use` and `alg`. */
  readonly publicJwk: JsonWebKey & { readonly kid: string }
}

/**
 * Makes an RSA key pair and a self-signed certificate for it. The certificate starts one hour ago, so that a device
 * whose clock is a little behind can use it at once.
 * Rejects with ERR_EMPTY_KEY_ID, ERR_INVALID_KEY_ID, ERR_INVALID_OPTION or ERR_CRYPTO_UNAVAILABLE.
 */
export async function generateRecipient(options: GenerateRecipientOptions = {}): Promise<GeneratedRecipient> {
  const keyId = requireKeyId(options.keyId === undefined ? webCrypto().randomUUID() : options.keyId)
  const modulusLength = oneOf('bits', options.bits, [2048, 3072, 4096], 3072)
  const days = wholeNumber('days', options.days, { default: 730, min: 1, max: 7300 })
  const { commonName = keyId.slice(0, 64) } = options
  if (commonName === '' || commonName.length > 64)
    throw invalidOption('commonName must have 1 to 64 characters.')
  const now = (options.now ?? Date.now)()

  const { subtle } = webCrypto()
  // A signing key, because it signs its own certificate; the same numbers are imported for RSA-OAEP afterwards.
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength,
    publicExponent: Uint8Array.of(1, 0, 1),
  }
  const { publicKey, privateKey } = await subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const [spki, pkcs8, { n, e }] = await Promise.all([
    subtle.exportKey('spki', publicKey),
    subtle.exportKey('pkcs8', privateKey),
    subtle.exportKey('jwk', publicKey),
  ])
  const certificateDer = await writeSelfSigned({
    spki: new Uint8Array(spki),
    signingKey: privateKey,
    commonName,
    notBefore: now - hourMs,
    notAfter: now + days * dayMs,
  })
  const pkcs8Bytes = new Uint8Array(pkcs8)
  const privateKeyPkcs8Pem = writePem('PRIVATE KEY', pkcs8Bytes)
  pkcs8Bytes.fill(0)
  if (n === undefined || e === undefined) throw new TypeError('The platform exported an incomplete JWK.')
  return {
    keyId,
    certificatePem: writePem('CERTIFICATE', certificateDer),
    certificateDer,
    privateKeyPkcs8Pem,
    publicJwk: { kty: 'RSA', kid: keyId, use: 'enc', alg: 'RSA-OAEP', n, e },
  }
}
