import { EnvelopeError } from '../errors.js'
import { decodeBase64 } from './base64.js'
import { withoutLeadingZeros } from './der.js'
import { unsupportedKey } from './rsa.js'
import type { RsaNumbers } from './rsa.js'

type Jwk = Readonly<Record<string, unknown>>

/** The RSA numbers of a JWK, or undefined when they are missing or damaged. Throws ERR_UNSUPPORTED_KEY. */
export function rsaFromJwk(jwk: Jwk): RsaNumbers | undefined {
  if (typeof jwk['kty'] === 'string' && jwk['kty'] !== 'RSA') {
    throw unsupportedKey('The JWK is not an RSA key; envelopes of the suite c3-pro need RSA.')
  }
  const modulus = decodeBase64Url(jwk['n'])
  const exponent = decodeBase64Url(jwk['e'])
  if (jwk['kty'] !== 'RSA' || modulus === undefined || exponent === undefined) return undefined
  return { modulus: withoutLeadingZeros(modulus), exponent: withoutLeadingZeros(exponent) }
}

/** A private or a symmetric key. */
export function isPrivateJwk(jwk: Jwk): boolean {
  return jwk['d'] !== undefined || jwk['k'] !== undefined || jwk['p'] !== undefined || jwk['q'] !== undefined
}

/**
 * Throws ERR_KEY_USAGE when the JWK says it is for something else than RSA-OAEP encryption, and ERR_INVALID_KEY_ID when
 * it carries another key id than the caller gave.
 */
export function requireEncryptionJwk(jwk: Jwk, keyId: string, operations: readonly string[]): void {
  const { use, alg, key_ops: keyOps, kid } = jwk
  if (use !== undefined && use !== 'enc') throw keyUsage('The JWK is not meant for encryption (use).')
  if (alg !== undefined && alg !== 'RSA-OAEP')
    throw keyUsage('The JWK is meant for another algorithm than RSA-OAEP (alg).')
  if (keyOps !== undefined && !(Array.isArray(keyOps) && keyOps.some((name) => operations.includes(name)))) {
    throw keyUsage('The JWK does not allow this operation (key_ops).')
  }
  if (kid !== undefined && kid !== keyId) {
    throw new EnvelopeError(
      'ERR_INVALID_KEY_ID',
      'The JWK carries another key id (kid) than the option keyId.',
      {
        hint: 'Pass the kid of the JWK as keyId, or remove it from the JWK.',
      },
    )
  }
}

export function keyUsage(message: string): EnvelopeError {
  return new EnvelopeError('ERR_KEY_USAGE', message, {
    hint: 'Use a key made for encryption: key usage keyEncipherment in a certificate, use "enc" in a JWK.',
  })
}

function decodeBase64Url(text: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined
  return decodeBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
}
