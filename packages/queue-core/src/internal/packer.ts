import { decodeText, encodeText } from './bytes.js'
import type { Numbers } from './column.js'

/** Writes values one after the other. What it was given may change afterwards: everything is copied. */
export interface Packer {
  /** Any number. */
  number(value: number): void
  text(value: string): void
  bytes(value: Uint8Array): void
  numbers(value: Numbers): void
  finish(): readonly Uint8Array[]
}

/** Reads what a packer has written, in the same order. Throws a RangeError when that is not what is there. */
export interface Unpacker {
  number(): number
  /** A whole number from 0 up to and including `most`. */
  count(most: number): number
  text(): string
  bytes(): Uint8Array
  /** In an array of `length`, or of as many numbers as were written. */
  numbers(length?: number): Numbers
  /** The same, when they were in an array of this kind. */
  array<Kind extends Numbers>(kind: new (length: number) => Kind, length?: number): Kind
  /** Throws unless everything was read. */
  end(): void
}

const blockLength = 1 << 20
const arrays = [Uint8Array, Uint16Array, Uint32Array, Float64Array] as const

function malformed(): RangeError {
  return new RangeError('the bytes are not what was packed')
}

export function createPacker(): Packer {
  const full: Uint8Array[] = []
  let block = new Uint8Array(blockLength)
  let view = new DataView(block.buffer)
  let used = 0

  function room(length: number): void {
    if (used + length <= block.length) return
    full.push(block.subarray(0, used))
    block = new Uint8Array(Math.max(blockLength, length))
    view = new DataView(block.buffer)
    used = 0
  }

  function raw(bytes: Uint8Array): void {
    room(bytes.length)
    block.set(bytes, used)
    used += bytes.length
  }

  function number(value: number): void {
    room(8)
    view.setFloat64(used, value)
    used += 8
  }

  const packer: Packer = {
    number,
    text: (value) => packer.bytes(encodeText(value)),
    bytes(value) {
      number(value.length)
      raw(value)
    },
    numbers(value) {
      number(arrays.findIndex((array) => value instanceof array))
      number(value.length)
      // As they lie in memory: whoever begins has noted in which order that is.
      raw(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    },
    finish: () => [...full, block.subarray(0, used)],
  }
  return packer
}

export function createUnpacker(packed: Uint8Array): Unpacker {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  let at = 0

  function raw(length: number): Uint8Array {
    if (length > packed.length - at) throw malformed()
    at += length
    return packed.subarray(at - length, at)
  }

  function number(): number {
    // Throws a RangeError of its own at the end.
    const value = view.getFloat64(at)
    at += 8
    return value
  }

  function count(most: number): number {
    const value = number()
    if (!(Number.isInteger(value) && value >= 0 && value <= most)) throw malformed()
    return value
  }

  function bytes(): Uint8Array {
    return raw(count(packed.length)).slice()
  }

  function numbers(length?: number): Numbers {
    const array = arrays[count(arrays.length - 1)] ?? Uint8Array
    const written = count(packed.length)
    // A copy of its own: a view would need the right alignment, and would keep all of the bytes.
    const exact = new array(raw(written * array.BYTES_PER_ELEMENT).slice().buffer)
    if (length === undefined || length === written) return exact
    if (length < written) throw malformed()
    const values = new array(length)
    values.set(exact)
    return values
  }

  return {
    number,
    count,
    bytes,
    text: () => decodeText(raw(count(packed.length))),
    numbers,
    array(kind, length) {
      const values = numbers(length)
      if (!(values instanceof kind)) throw malformed()
      return values
    },
    end() {
      if (at !== packed.length) throw malformed()
    },
  }
}
