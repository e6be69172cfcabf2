import type { MeasuredValue } from '../../reading.js'
import { GattError } from '../errors.js'
import { floatOf, sfloatOf } from '../floats.js'

/** No characteristic value is longer (Bluetooth Core Specification, Vol 3, Part F, section 3.2.9). */
const LONGEST = 512

/** Reads a packet from its first octet on; what is left over at the end is tolerated. */
export interface Octets {
  readonly left: number
  u8(): number
  u16(): number
  u24(): number
  i16(): number
  sfloat(): MeasuredValue
  float(): MeasuredValue
  take(length: number): Uint8Array
}

/** Throws `ERR_NO_PACKET`; every read past the end throws `ERR_PACKET_TOO_SHORT`. */
export function octetsOf(value: unknown, characteristic: string): Octets {
  if (!(value instanceof Uint8Array) || value.length > LONGEST) {
    throw new GattError('ERR_NO_PACKET', `There are no octets of a characteristic ${characteristic}.`)
  }
  const bytes = value
  let at = 0

  /** The next octets as one unsigned number, least significant octet first. */
  function unsigned(length: number): number {
    return take(length).reduceRight((number, octet) => number * 256 + octet, 0)
  }

  function take(length: number): Uint8Array {
    if (at + length > bytes.length) {
      throw new GattError(
        'ERR_PACKET_TOO_SHORT',
        `The packet of ${characteristic} is shorter than it announces.`,
      )
    }
    at += length
    return bytes.subarray(at - length, at)
  }

  return {
    get left() {
      return bytes.length - at
    },
    u8: () => unsigned(1),
    u16: () => unsigned(2),
    u24: () => unsigned(3),
    i16: () => (unsigned(2) << 16) >> 16,
    sfloat: () => sfloatOf(unsigned(2)),
    float: () => floatOf(unsigned(4)),
    take,
  }
}

export function bit(flags: number, index: number): boolean {
  return (flags & (1 << index)) !== 0
}

/** A member that is there only when its flag is set. */
export function when<K extends string, V>(
  present: boolean,
  name: K,
  read: () => V,
): { readonly [name in K]?: V } {
  return present ? ({ [name]: read() } as { readonly [name in K]: V }) : {}
}
