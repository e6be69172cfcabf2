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
  // The 256 in front makes it three digits.
  for (const byte of bytes) hex += (256 + byte).toString(16).slice(1)
  return hex
}
