/** The few DER forms that a self-signed certificate needs. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const header = [tag]
  if (length < 0x80) header.push(length)
  else if (length < 0x100) header.push(0x81, length)
  else header.push(0x82, length >> 8, length & 0xff)
  const out = new Uint8Array(header.length + length)
  out.set(header)
  let offset = header.length
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

export const derSequence = (...parts: readonly Uint8Array[]): Uint8Array => der(0x30, ...parts)

/** A non-negative INTEGER from big-endian bytes. */
export function derInteger(bytes: Uint8Array): Uint8Array {
  return der(0x02, (bytes[0] ?? 0) >= 0x80 ? Uint8Array.of(0, ...bytes) : bytes)
}

export function derBitString(bytes: Uint8Array): Uint8Array {
  return der(0x03, Uint8Array.of(0), bytes)
}

export const derText = (tag: number, text: string): Uint8Array => der(tag, new TextEncoder().encode(text))
