const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const UTF16 = 0x8000_0000

/** A growing buffer that is reused from group to group. Little endian. */
export interface ByteWriter {
  readonly length: number
  /** The bytes so far; valid until the next call. */
  view(): Uint8Array
  clear(): void
  /** Takes back everything behind this length. */
  truncate(to: number): void
  u8(value: number): void
  u16(value: number): void
  u32(value: number): void
  /** A safe integer of at least 0, in eight bytes. */
  u64(value: number): void
  f64(value: number): void
  raw(bytes: Uint8Array): void
  /** Length and bytes. */
  block(bytes: Uint8Array): void
  /** Length and characters; every JavaScript string survives, lone surrogates included. */
  text(value: string): void
  setU32(at: number, value: number): void
}

// A buffer that once held a large group is not kept for ever.
const KEEP = 4 * 1024 * 1024

export function byteWriter(initial = 4096): ByteWriter {
  let bytes = new Uint8Array(initial)
  let data = new DataView(bytes.buffer)
  let length = 0

  function room(count: number): number {
    const at = length
    length += count
    if (length > bytes.length) {
      const grown = new Uint8Array(Math.max(length, bytes.length * 2))
      grown.set(bytes.subarray(0, at))
      bytes = grown
      data = new DataView(bytes.buffer)
    }
    return at
  }

  const writer: ByteWriter = {
    get length() {
      return length
    },
    view: () => bytes.subarray(0, length),
    clear: () => {
      length = 0
      if (bytes.length <= KEEP) return
      bytes = new Uint8Array(initial)
      data = new DataView(bytes.buffer)
    },
    truncate: (to) => {
      length = to
    },
    // Room is made first and in a statement of its own: it may replace `data`.
    u8: (value) => {
      const at = room(1)
      data.setUint8(at, value)
    },
    u16: (value) => {
      const at = room(2)
      data.setUint16(at, value, true)
    },
    u32: (value) => {
      const at = room(4)
      data.setUint32(at, value, true)
    },
    u64: (value) => {
      const at = room(8)
      data.setUint32(at, value >>> 0, true)
      data.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
    },
    f64: (value) => {
      const at = room(8)
      data.setFloat64(at, value, true)
    },
    raw: (source) => {
      const at = room(source.length)
      bytes.set(source, at)
    },
    block: (source) => {
      writer.u32(source.length)
      writer.raw(source)
    },
    text: (value) => {
      const { length: count } = value
      const at = room(4 + count)
      data.setUint32(at, count, true)
      // Nearly every lane, gate and key is plain ASCII and short: a loop is faster than the encoder.
      let index = count > 256 ? -1 : 0
      for (let code = 0; index >= 0 && index < count; index++) {
        code = value.charCodeAt(index)
        if (code >= 0x80) break
        bytes[at + 4 + index] = code
      }
      if (index === count) return
      length = at
      encodeText(value)
    },
    setU32: (at, value) => data.setUint32(at, value, true),
  }

  function encodeText(value: string): void {
    // UTF-8 has no place for a lone surrogate; such a string is kept as UTF-16 units.
    if (/\p{Surrogate}/u.test(value)) {
      writer.u32((UTF16 | value.length) >>> 0)
      for (let index = 0; index < value.length; index++) writer.u16(value.charCodeAt(index))
      return
    }
    const head = room(4)
    const at = room(value.length * 3)
    const { written } = encoder.encodeInto(value, bytes.subarray(at))
    length = at + written
    data.setUint32(head, written, true)
  }
  return writer
}

/** Thrown when bytes end early or make no sense; turned into a quarantined record by the caller. */
export class MalformedRecord extends Error {
  override readonly name = 'MalformedRecord'
}

/** Reads what `ByteWriter` wrote. Blocks are copies. */
export interface ByteReader {
  readonly left: number
  u8(): number
  u16(): number
  u32(): number
  u64(): number
  f64(): number
  raw(count: number): Uint8Array
  /** The same without a copy. */
  view(count: number): Uint8Array
  block(): Uint8Array
  text(): string
  /** Passes over a block or a text. */
  skip(): void
}

// A class, because recovery makes one for every record: closures would cost more than the reading.
class Reader implements ByteReader {
  readonly #bytes: Uint8Array
  readonly #data: DataView
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  #take(count: number): number {
    const at = this.#position
    this.#position += count
    if (this.#position > this.#bytes.length) throw new MalformedRecord('record ends early')
    return at
  }

  get left(): number {
    return this.#bytes.length - this.#position
  }

  u8(): number {
    return this.#data.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#data.getUint16(this.#take(2), true)
  }

  u32(): number {
    return this.#data.getUint32(this.#take(4), true)
  }

  u64(): number {
    const at = this.#take(8)
    return this.#data.getUint32(at, true) + this.#data.getUint32(at + 4, true) * 2 ** 32
  }

  f64(): number {
    return this.#data.getFloat64(this.#take(8), true)
  }

  raw(count: number): Uint8Array {
    const at = this.#take(count)
    return this.#bytes.slice(at, at + count)
  }

  view(count: number): Uint8Array {
    const at = this.#take(count)
    return this.#bytes.subarray(at, at + count)
  }

  block(): Uint8Array {
    return this.raw(this.u32())
  }

  skip(): void {
    const length = this.u32()
    this.#take(length < UTF16 ? length : (length - UTF16) * 2)
  }

  text(): string {
    const length = this.u32()
    if (length < UTF16) {
      const at = this.#take(length)
      return decoder.decode(this.#bytes.subarray(at, at + length))
    }
    let value = ''
    for (let left = length - UTF16; left > 0; left--) value += String.fromCharCode(this.u16())
    return value
  }
}

export function byteReader(bytes: Uint8Array): ByteReader {
  return new Reader(bytes)
}
