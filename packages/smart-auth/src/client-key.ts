import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'

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

/** Makes a new ES384 key pair (P-384). */
export async function createClientKey(): Promise<ClientKey> {
  const pair = await generateKeyPair('ES384', { extractable: true })
  const [secret, open] = await Promise.all([exportJWK(pair.privateKey), exportJWK(pair.publicKey)])
  const kid = await calculateJwkThumbprint(open)
  const labels = { kid, alg: 'ES384', use: 'sig' }
  return { alg: 'ES384', kid, privateJwk: { ...secret, ...labels }, publicJwk: { ...open, ...labels } }
}
