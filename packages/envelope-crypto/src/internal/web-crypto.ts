import { EnvelopeError } from '../errors.js'

/** The platform's WebCrypto. Looked up at call time: nothing happens on import. */
export function webCrypto(): Crypto {
  const found: Crypto | undefined = globalThis.crypto
  // Browsers leave `subtle` out of pages that were not loaded over https (or from localhost).
  if (found?.subtle === undefined) {
    throw new EnvelopeError('ERR_CRYPTO_UNAVAILABLE', 'WebCrypto is not available here.', {
      hint: 'Serve the page over https (or from localhost), or use Node 20.19 or newer.',
    })
  }
  return found
}

export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return webCrypto().getRandomValues(new Uint8Array(length))
}

/** SHA-256 in lower-case hex. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await webCrypto().subtle.digest('SHA-256', bytes))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
