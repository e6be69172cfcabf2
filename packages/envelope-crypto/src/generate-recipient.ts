import type { Curve } from './internal/elliptic.js'
import { invalidOption, oneOf, wholeNumber } from './internal/options.js'
import { writePem } from './internal/pem.js'
import { encryptPkcs8 } from './internal/pkcs8-passphrase.js'
import { webCrypto } from './internal/web-crypto.js'
import { writeSelfSigned } from './internal/x509-write.js'
import { requireKeyId } from './key-id.js'
import { jweAlgorithms } from './suites/jwe.js'

const dayMs = 24 * 60 * 60 * 1000
const hourMs = 60 * 60 * 1000

export interface GenerateRecipientOptions {
  /** What the key is for. `c3-pro` knows RSA only. Default `jwe`. */
  readonly suite?: 'jwe' | 'c3-pro'
  /** Default: a new UUID v4. */
  readonly keyId?: string
  /** RSA modulus. Default 3072. */
  readonly bits?: 2048 | 3072 | 4096
  /** Makes a key on this curve instead of an RSA key. */
  readonly curve?: Curve
  /** How long the certificate is valid. Default 730, at most 7300. */
  readonly days?: number
  /** Common name of subject and issuer, 1 to 64 characters. Default: the key id, cut to 64. */
  readonly commonName?: string
  /** Encrypts the private key (PBES2: PBKDF2 with 600,000 rounds of HMAC-SHA-256, AES-256-CBC). Default: none. */
  readonly passphrase?: string
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

export interface GeneratedRecipient {
  readonly keyId: string
  /** Self-signed, for the sender. */
  readonly certificatePem: string
  readonly certificateDer: Uint8Array<ArrayBuffer>
  /** PKCS#8 for the receiver alone; with a passphrase only when one was given. */
  readonly privateKeyPkcs8Pem: string
  /** The public key again, with `kid`, `use` and `alg`. */
  readonly publicJwk: JsonWebKey & { readonly kid: string }
}

/**
 * Makes a key pair and a self-signed certificate for it. The certificate starts one hour ago, so that a device whose
 * clock is a little behind can use it at once.
 * Rejects with ERR_EMPTY_KEY_ID, ERR_INVALID_KEY_ID, ERR_INVALID_OPTION or ERR_CRYPTO_UNAVAILABLE.
 */
export async function generateRecipient(options: GenerateRecipientOptions = {}): Promise<GeneratedRecipient> {
  const keyId = requireKeyId(options.keyId === undefined ? webCrypto().randomUUID() : options.keyId)
  const suite = oneOf('suite', options.suite, ['jwe', 'c3-pro'], 'jwe')
  const algorithm = keyAlgorithm(options)
  if (suite === 'c3-pro' && options.curve !== undefined)
    throw invalidOption('The suite c3-pro has no curves.')
  const days = wholeNumber('days', options.days, { default: 730, min: 1, max: 7300 })
  const { commonName = keyId.slice(0, 64), passphrase } = options
  if (commonName === '' || commonName.length > 64)
    throw invalidOption('commonName must have 1 to 64 characters.')
  if (passphrase === '') throw invalidOption('The passphrase is empty.')
  const now = (options.now ?? Date.now)()

  const { subtle } = webCrypto()
  const { publicKey, privateKey } = await subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const [spki, pkcs8, jwk] = await Promise.all([
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
  return {
    keyId,
    certificatePem: writePem('CERTIFICATE', certificateDer),
    certificateDer,
    privateKeyPkcs8Pem: await privatePem(new Uint8Array(pkcs8), passphrase),
    publicJwk: publicJwk(jwk, keyId, suite),
  }
}

/** A signing key, because it signs its own certificate; it is imported for encryption afterwards. */
function keyAlgorithm({ bits, curve }: GenerateRecipientOptions): EcKeyGenParams | RsaHashedKeyGenParams {
  if (curve !== undefined) {
    if (bits !== undefined) throw invalidOption('Pass either bits (RSA) or curve, not both.')
    return { name: 'ECDSA', namedCurve: oneOf('curve', curve, ['P-256', 'P-384', 'P-521'], 'P-256') }
  }
  return {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: oneOf('bits', bits, [2048, 3072, 4096], 3072),
    publicExponent: Uint8Array.of(1, 0, 1),
  }
}

async function privatePem(pkcs8: Uint8Array<ArrayBuffer>, passphrase: string | undefined): Promise<string> {
  try {
    return passphrase === undefined
      ? writePem('PRIVATE KEY', pkcs8)
      : writePem('ENCRYPTED PRIVATE KEY', await encryptPkcs8(pkcs8, passphrase))
  } finally {
    pkcs8.fill(0)
  }
}

function publicJwk(
  { kty = '', n, e, crv, x, y }: JsonWebKey,
  kid: string,
  suite: 'jwe' | 'c3-pro',
): GeneratedRecipient['publicJwk'] {
  const named = { kty, kid, use: 'enc' }
  if (n !== undefined && e !== undefined) {
    return { ...named, alg: suite === 'jwe' ? jweAlgorithms.RSA : 'RSA-OAEP', n, e }
  }
  if (crv !== undefined && x !== undefined && y !== undefined) {
    return { ...named, alg: jweAlgorithms.EC, crv, x, y }
  }
  throw new TypeError('The platform exported an incomplete JWK.')
}
