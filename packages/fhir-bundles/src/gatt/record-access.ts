import { GattError } from './errors.js'
import { octetsOf, type Octets } from './internal/octets.js'

/** Record Access Control Point, 2A52. */
export interface RecordAccess {
  /** 1 report, 2 delete, 3 abort, 4 count, 5 answer to count, 6 response. */
  readonly opCode: number
  /** 0 none, 1 all, 2 at most, 3 at least, 4 range, 5 first, 6 last. */
  readonly operator: number
  /** What follows, as lower-case hex, for an operation that is not taken apart here. */
  readonly operandHex?: string
  /** Of op code 5. */
  readonly numberOfRecords?: number
  /** Of op code 6: what is answered. */
  readonly requestOpCode?: number
  /** 1 done, 2 not supported, 3 wrong operator, 6 no records, … */
  readonly responseCode?: number
}

/** Throws `ERR_NO_PACKET`, `ERR_PACKET_TOO_SHORT` or `ERR_PACKET_MALFORMED` (a count of 3 octets or more than 4). */
export function decodeRecordAccess(value: Uint8Array): RecordAccess {
  const octets = octetsOf(value, '2A52')
  const opCode = octets.u8()
  const operator = octets.u8()
  if (opCode === 5) return { opCode, operator, numberOfRecords: count(octets) }
  if (opCode === 6) return { opCode, operator, requestOpCode: octets.u8(), responseCode: octets.u8() }
  const operand = octets.take(octets.left)
  return {
    opCode,
    operator,
    ...(operand.length === 0
      ? {}
      : { operandHex: Array.from(operand, (octet) => octet.toString(16).padStart(2, '0')).join('') }),
  }
}

function count(octets: Octets): number {
  const length = octets.left
  if (length === 0) octets.u8()
  if (length !== 1 && length !== 2 && length !== 4) {
    throw new GattError(
      'ERR_PACKET_MALFORMED',
      'The number of records in 2A52 has neither 1, 2 nor 4 octets.',
    )
  }
  return octets.take(length).reduceRight((number, octet) => number * 256 + octet, 0)
}
