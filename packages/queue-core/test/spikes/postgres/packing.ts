/** All bytes of one call travel as a single parameter; rows refer to their part of it. */
export interface Packer {
  add(bytes: Uint8Array | undefined): { readonly at: number; readonly length: number } | null
  bytes(): Uint8Array
}

export function packer(): Packer {
  const parts: Uint8Array[] = []
  let length = 0
  return {
    add(bytes) {
      if (bytes === undefined) return null
      const at = length + 1
      parts.push(bytes)
      length += bytes.length
      return { at, length: bytes.length }
    },
    bytes() {
      const all = new Uint8Array(length)
      let at = 0
      for (const part of parts) {
        all.set(part, at)
        at += part.length
      }
      return all
    },
  }
}

/** The SQL that takes a packed part out of the parameter `$2`; null when there was none. */
export function unpacked(part: string): string {
  return `substring($2::bytea from (${part}->>'at')::int for (${part}->>'length')::int)`
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export function hexOf(text: string): string {
  return Array.from(encoder.encode(text), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function textOf(value: unknown): string {
  return decoder.decode(bytesOf(value))
}

export function bytesOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError('the database did not answer with bytes')
  return value.slice()
}

export function optionalBytes(value: unknown): Uint8Array | undefined {
  return value === null ? undefined : bytesOf(value)
}
