import { parseDer, sequenceOf, unsignedOf } from './der.js'
import { curveBits } from './elliptic.js'
import type { Curve } from './elliptic.js'
import type { PublicKey } from './public-key.js'
import { webCrypto } from './web-crypto.js'
import { ecSignatureHash, rsaSignatureHash } from './x509-names.js'
import type { CertificateFields } from './x509-read.js'

/**
 * Whether the signature of a self-signed certificate fits its content. Undefined when the certificate is signed by
 * somebody else, or in a way that is not known here.
 */
export async function selfSignatureFits(
  certificate: CertificateFields,
  key: PublicKey,
): Promise<boolean | undefined> {
  if (!certificate.selfSigned) return undefined
  const { subtle } = webCrypto()
  const { signatureAlgorithm, signature, signed } = certificate
  if (key.kind === 'RSA') {
    const hash = rsaSignatureHash[signatureAlgorithm]
    if (hash === undefined) return undefined
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash }
    const publicKey = await subtle.importKey('spki', key.spki, algorithm, false, ['verify'])
    return await subtle.verify(algorithm.name, publicKey, signature, signed)
  }
  const hash = ecSignatureHash[signatureAlgorithm]
  if (hash === undefined) return undefined
  const raw = rawSignature(signature, key.curve)
  if (raw === undefined) return false
  const algorithm = { name: 'ECDSA', namedCurve: key.curve }
  const publicKey = await subtle.importKey('spki', key.spki, algorithm, false, ['verify'])
  return await subtle.verify({ name: 'ECDSA', hash }, publicKey, raw, signed)
}

/** WebCrypto wants r and s side by side; certificates carry them as a SEQUENCE of INTEGERs (RFC 3279, 2.2.3). */
function rawSignature(der: Uint8Array<ArrayBuffer>, curve: Curve): Uint8Array<ArrayBuffer> | undefined {
  const [r, s] = (sequenceOf(parseDer(der)) ?? []).map(unsignedOf)
  const length = Math.ceil(curveBits(curve) / 8)
  if (r === undefined || s === undefined || r.length > length || s.length > length) return undefined
  const raw = new Uint8Array(2 * length)
  raw.set(r, length - r.length)
  raw.set(s, 2 * length - s.length)
  return raw
}
