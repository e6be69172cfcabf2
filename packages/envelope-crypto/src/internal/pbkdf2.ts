import { webCrypto } from './web-crypto.js'

export type Pbkdf2Hash = 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512'

export interface Pbkdf2Parameters {
  readonly salt: Uint8Array<ArrayBuffer>
  readonly iterations: number
  readonly hash: Pbkdf2Hash
  /** Bytes. */
  readonly length: number
}

/** A key from a passphrase in UTF-8, as PBKDF2 (RFC 8018, section 5.2) makes it. */
export async function derivePbkdf2(
  passphrase: string,
  { length, ...parameters }: Pbkdf2Parameters,
): Promise<Uint8Array<ArrayBuffer>> {
  const { subtle } = webCrypto()
  const bytes = new TextEncoder().encode(passphrase)
  const key = await subtle.importKey('raw', bytes, 'PBKDF2', false, ['deriveBits'])
  return new Uint8Array(await subtle.deriveBits({ name: 'PBKDF2', ...parameters }, key, length * 8))
}
