import { importJWK, importPKCS8, type CryptoKey, type JWK } from 'jose'
import { AuthError } from '../errors.js'
import { isRecord } from './json.js'
import { safeCause } from './redact.js'

/** The two algorithms of SMART's asymmetric client authentication. */
export type AssertionAlgorithm = 'ES384' | 'RS384'

/** Signs outside this process, for instance in a key service or a smart card. */
export interface ExternalSigner {
  /** Resolves with the JWS signature bytes: for ES384 the 96 bytes r‖s (not DER), for RS384 PKCS#1 v1.5. */
  sign(data: Uint8Array): Promise<Uint8Array>
}

/** A private key: Web Crypto key (extractable or not), JWK, PKCS#8 PEM text, or an external signer. */
export type SigningKey = CryptoKey | JWK | string | ExternalSigner

const keyHints: Readonly<Record<AssertionAlgorithm, string>> = {
  ES384: 'Give a private P-384 key as Web Crypto key, JWK or PKCS#8 PEM.',
  RS384: 'Give a private RSA key of at least 2048 bits as Web Crypto key, JWK or PKCS#8 PEM.',
}

function invalidKey(message: string, alg: AssertionAlgorithm, error?: unknown): AuthError {
  return new AuthError('ERR_INVALID_KEY', message, {
    hint: keyHints[alg],
    ...(error === undefined ? {} : { cause: safeCause(error) }),
  })
}

function isExternal(key: SigningKey): key is ExternalSigner {
  return typeof key === 'object' && 'sign' in key && typeof key.sign === 'function'
}

function isCryptoKey(key: SigningKey): key is CryptoKey {
  return typeof CryptoKey !== 'undefined' && key instanceof CryptoKey
}

function checkCryptoKey(key: CryptoKey, alg: AssertionAlgorithm): CryptoKey {
  const { name } = key.algorithm
  const details: unknown = key.algorithm
  const facts = isRecord(details) ? details : {}
  const length = facts['modulusLength']
  const hash = isRecord(facts['hash']) ? facts['hash']['name'] : undefined
  const fits =
    alg === 'ES384'
      ? name === 'ECDSA' && facts['namedCurve'] === 'P-384'
      : name === 'RSASSA-PKCS1-v1_5' && hash === 'SHA-384' && typeof length === 'number' && length >= 2048
  if (key.type !== 'private' || !key.usages.includes('sign') || !fits) {
    throw invalidKey(`The key cannot sign with ${alg}`, alg)
  }
  return key
}

/** Refuses at once what can be recognised without cryptography; the rest shows when the key is imported. */
export function checkSigningKey(key: SigningKey, alg: AssertionAlgorithm): void {
  if (typeof key === 'string') {
    if (!key.includes('-----BEGIN PRIVATE KEY-----')) {
      throw new AuthError('ERR_INVALID_KEY', 'The PEM text is not an unencrypted PKCS#8 private key', {
        hint: 'Convert it: openssl pkcs8 -topk8 -nocrypt -in key.pem.',
      })
    }
    return
  }
  if (isExternal(key)) return
  if (isCryptoKey(key)) {
    checkCryptoKey(key, alg)
    return
  }
  const jwk: JWK = key
  const fits = alg === 'ES384' ? jwk.kty === 'EC' && jwk.crv === 'P-384' : jwk.kty === 'RSA'
  if (!fits || typeof jwk.d !== 'string') throw invalidKey(`The JWK is not a private key for ${alg}`, alg)
}

/** A private key that is ready to sign with Web Crypto, or the external signer as given. */
export async function importSigningKey(
  key: SigningKey,
  alg: AssertionAlgorithm,
): Promise<CryptoKey | ExternalSigner> {
  checkSigningKey(key, alg)
  if (typeof key !== 'string' && (isExternal(key) || isCryptoKey(key))) return key
  try {
    const imported =
      typeof key === 'string'
        ? await importPKCS8(key.trim(), alg, { extractable: false })
        : await importJWK(key, alg, { extractable: false })
    if (imported instanceof Uint8Array) throw new TypeError('symmetric key')
    return checkCryptoKey(imported, alg)
  } catch (error) {
    if (error instanceof AuthError) throw error
    throw invalidKey(`The key could not be imported for ${alg}`, alg, error)
  }
}

/** The `kid` of a key that brings one. */
export function keyIdOf(key: SigningKey): string | undefined {
  return typeof key === 'object' && 'kid' in key && typeof key.kid === 'string' ? key.kid : undefined
}
