import { EnvelopeError } from '../errors.js'
import { decodeBase64Url } from './base64.js'
import { withoutLeadingZeros } from './der.js'
import { isCurve, pointFromNumbers } from './elliptic.js'
import { ecPublicKeyOf, rsaPublicKey, unsupportedKey } from './public-key.js'
import type { PublicKey } from './public-key.js'

type Jwk = Readonly<Record<string, unknown>>

/** The algorithms each kind of key is used with here. */
const algorithms: Readonly<Record<PublicKey['kind'], readonly string[]>> = {
  RSA: ['RSA-OAEP', 'RSA-OAEP-256'],
  EC: ['ECDH-ES+A256KW'],
}

/**
 * The public key of a JWK, or undefined when members are missing or damaged. Throws ERR_UNSUPPORTED_KEY or
 * ERR_WEAK_KEY.
 */
export function publicKeyFromJwk(jwk: Jwk): PublicKey | undefined {
  const { kty, crv } = jwk
  if (kty === 'RSA') {
    const modulus = decodeBase64Url(jwk['n'])
    const exponent = decodeBase64Url(jwk['e'])
    if (modulus === undefined || exponent === undefined) return undefined
    return rsaPublicKey({ modulus: withoutLeadingZeros(modulus), exponent: withoutLeadingZeros(exponent) })
  }
  if (kty === 'EC') {
    if (!isCurve(crv)) throw unsupportedKey('The curve of the JWK is none that is used here.')
    const x = decodeBase64Url(jwk['x'])
    const y = decodeBase64Url(jwk['y'])
    const point = x && y && pointFromNumbers(crv, x, y)
    return point && ecPublicKeyOf(point)
  }
  if (typeof kty === 'string')
    throw unsupportedKey('The JWK is neither an RSA key nor an elliptic one of NIST.')
  return undefined
}

/** A private or a symmetric key. */
export function isPrivateJwk(jwk: Jwk): boolean {
  return jwk['d'] !== undefined || jwk['k'] !== undefined || jwk['p'] !== undefined || jwk['q'] !== undefined
}

/**
 * Throws ERR_KEY_USAGE when the JWK says it is for something else than encryption as it is done here, and
 * ERR_INVALID_KEY_ID when it carries another key id than the caller gave.
 */
export function requireEncryptionJwk(
  jwk: Jwk,
  kind: PublicKey['kind'],
  keyId: string,
  operations: readonly string[],
): void {
  const { use, alg, key_ops: keyOps, kid } = jwk
  if (use !== undefined && use !== 'enc') throw keyUsage('The JWK is not meant for encryption (use).')
  if (alg !== undefined && !algorithms[kind].some((name) => name === alg)) {
    throw keyUsage(`The JWK is meant for another algorithm than ${algorithms[kind].join(' or ')} (alg).`)
  }
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
    hint: 'Use a key made for encryption: key usage keyEncipherment (RSA) or keyAgreement (elliptic) in a certificate, use "enc" in a JWK.',
  })
}
