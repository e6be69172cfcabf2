import { calculateJwkThumbprint, exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose'

/** A signing key pair of a client, in the form it is stored and registered. */
export interface ClientKey {
  readonly alg: 'ES384'
  /** RFC 7638 thumbprint (SHA-256) of the public key. */
  readonly kid: string
  /** Secret. */
  readonly privateJwk: JWK
  /** For registration, or for the key set that the server fetches. */
  readonly publicJwk: JWK
}

/** The same with a private key that cannot be taken out of the platform. */
export interface ClientKeyHandle extends Omit<ClientKey, 'privateJwk'> {
  readonly handle: CryptoKey
}

async function publicHalf(key: CryptoKey): Promise<Pick<ClientKey, 'alg' | 'kid' | 'publicJwk'>> {
  const jwk = await exportJWK(key)
  const kid = await calculateJwkThumbprint(jwk)
  return { alg: 'ES384', kid, publicJwk: { ...jwk, kid, alg: 'ES384', use: 'sig' } }
}

/** Makes a new ES384 key pair (P-384). */
export async function createClientKey(): Promise<ClientKey> {
  const pair = await generateKeyPair('ES384', { extractable: true })
  const half = await publicHalf(pair.publicKey)
  const secret = await exportJWK(pair.privateKey)
  return { ...half, privateJwk: { ...secret, kid: half.kid, alg: 'ES384', use: 'sig' } }
}

/** Makes a new ES384 key pair whose private half cannot be exported. */
export async function createClientKeyHandle(): Promise<ClientKeyHandle> {
  const pair = await generateKeyPair('ES384', { extractable: false })
  return { ...(await publicHalf(pair.publicKey)), handle: pair.privateKey }
}
