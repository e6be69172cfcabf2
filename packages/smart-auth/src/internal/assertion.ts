import { base64url, SignJWT } from 'jose'
import { AuthError } from '../errors.js'
import { importSigningKey, type AssertionAlgorithm, type SigningKey } from './signing-key.js'

// SMART allows an expiry of up to 300 s ahead. Half of it tolerates the same error of this machine's clock in
// both directions: two and a half minutes fast or slow. Servers that look at `iat` refuse one in the future, so
// it is dated back, as far as servers that hold `exp` - `iat` against the same 300 s allow.
const lifetimeSeconds = 150
const backdateSeconds = 140

export interface AssertionOptions {
  readonly clientId: string
  readonly key: SigningKey
  readonly alg: AssertionAlgorithm
  readonly kid: string
  readonly now: () => number
  readonly randomId: () => string
}

/** Makes signed client assertions; each call a new one with its own `jti` (SMART, "Client Authentication: Asymmetric"). */
export function assertionMaker(options: AssertionOptions): (audience: string) => Promise<string> {
  const { clientId, key, alg, kid, now, randomId } = options
  let imported: ReturnType<typeof importSigningKey> | undefined
  return async (audience) => {
    imported ??= importSigningKey(key, alg)
    const signer = await imported
    const seconds = Math.floor(now() / 1000)
    const header = { alg, kid, typ: 'JWT' }
    const claims = {
      iss: clientId,
      sub: clientId,
      aud: audience,
      iat: seconds - backdateSeconds,
      exp: seconds + lifetimeSeconds,
      jti: randomId(),
    }
    if (!('sign' in signer)) return new SignJWT(claims).setProtectedHeader(header).sign(signer)
    const input = [header, claims].map((part) => base64url.encode(JSON.stringify(part))).join('.')
    const signature = await signer.sign(new TextEncoder().encode(input))
    if (alg === 'ES384' && signature.byteLength !== 96) {
      throw new AuthError(
        'ERR_INVALID_KEY',
        `The signer returned ${signature.byteLength} bytes instead of 96`,
        {
          hint: 'Return the ES384 signature as r‖s, 48 bytes each; many key services answer in DER.',
        },
      )
    }
    return `${input}.${base64url.encode(signature)}`
  }
}

/** 128 bits of randomness; unlike crypto.randomUUID it does not depend on a secure context. */
export function randomTokenId(): string {
  return base64url.encode(crypto.getRandomValues(new Uint8Array(16)))
}
