const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Throws when the bytes are not UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

export function encodeJson(value: unknown): Uint8Array {
  return encodeText(JSON.stringify(value))
}

export function toHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return hex
}

export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  // The copy gives WebCrypto a buffer of its own, whatever kind of memory the caller's view lies on.
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.slice()))
}
