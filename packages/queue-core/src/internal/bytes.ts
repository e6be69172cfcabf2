const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Writes UTF-8 at `at` and returns where it ends. There must be room: no text takes more than three bytes a code unit. */
export function writeText(bytes: Uint8Array, at: number, text: string): number {
  return at + encoder.encodeInto(text, bytes.subarray(at)).written
}

/** Throws when the bytes are not UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

export function encodeJson(value: unknown): Uint8Array {
  return encodeText(JSON.stringify(value))
}

/** Of lower-case hexadecimal as `toHex` writes it. */
export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, at) => parseInt(hex.slice(2 * at, 2 * at + 2), 16))
}

let digits: readonly string[] | undefined

export function toHex(bytes: Uint8Array): string {
  // The 256 in front makes it three digits.
  digits ??= Array.from({ length: 256 }, (_, byte) => (256 + byte).toString(16).slice(1))
  let hex = ''
  for (const byte of bytes) hex += digits[byte]
  return hex
}
