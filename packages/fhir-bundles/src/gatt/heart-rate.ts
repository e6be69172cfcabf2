import { bit, octetsOf, when } from './internal/octets.js'

/** Heart Rate Measurement, 2A37. */
export interface HeartRateMeasurement {
  readonly flags: number
  /** Beats per minute. */
  readonly heartRate: number
  /** Whether the sensor touches the skin; null when it cannot tell. */
  readonly contact: boolean | null
  readonly energyExpendedKJ?: number
  /** Times from beat to beat in 1/1024 seconds, oldest first. */
  readonly rrRaw1024?: readonly number[]
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeHeartRate(value: Uint8Array): HeartRateMeasurement {
  const octets = octetsOf(value, '2A37')
  const flags = octets.u8()
  return {
    flags,
    heartRate: bit(flags, 0) ? octets.u16() : octets.u8(),
    contact: bit(flags, 2) ? bit(flags, 1) : null,
    ...when(bit(flags, 3), 'energyExpendedKJ', () => octets.u16()),
    ...when(bit(flags, 4), 'rrRaw1024', () =>
      Array.from({ length: Math.floor(octets.left / 2) }, () => octets.u16()),
    ),
  }
}
