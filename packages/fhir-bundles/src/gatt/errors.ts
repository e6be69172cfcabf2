/** Everything the decoders refuse. */
export type GattErrorCode =
  /** The packet ends before its flags say it does. */
  | 'ERR_PACKET_TOO_SHORT'
  /** The packet has the right length and cannot mean what it says. */
  | 'ERR_PACKET_MALFORMED'
  /** What was passed is no packet: not a Uint8Array, or longer than a characteristic value can be. */
  | 'ERR_NO_PACKET'
  /** There is no decoder for this characteristic. */
  | 'ERR_UNKNOWN_CHARACTERISTIC'
  /** The values do not make a reading; `message` names what is missing. */
  | 'ERR_INCOMPLETE_READING'

const HINTS: Readonly<Record<GattErrorCode, string>> = {
  ERR_PACKET_TOO_SHORT: 'Read the value again; some stacks cut it at the MTU, then negotiate a larger one.',
  ERR_PACKET_MALFORMED:
    'The device does not follow the GATT Specification Supplement here; keep the octets and report it.',
  ERR_NO_PACKET: 'Pass the octets of one characteristic value as a Uint8Array of at most 512 octets.',
  ERR_UNKNOWN_CHARACTERISTIC: 'The README lists the characteristics that are decoded.',
  ERR_INCOMPLETE_READING: 'Pass the characteristic value that the message names.',
}

/** The one error class of this entry point; switch on `code`. Never carries octets: they are health data. */
export class GattError extends Error {
  override readonly name = 'GattError'
  readonly code: GattErrorCode
  /** One sentence: the way out. */
  readonly hint: string

  constructor(code: GattErrorCode, message: string) {
    super(message)
    this.code = code
    this.hint = HINTS[code]
  }
}
