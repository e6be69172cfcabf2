import { isDecimal } from '../../decimal.js'
import type { MeasuredValue, Measurement } from '../../reading.js'
import type { Unsuccessful } from '../weight.js'
import { bit } from './octets.js'

/** What the packets of one measuring characteristic say. */
export type Measured = {
  readonly measurements: readonly Measurement[]
  /** By the device's clock, as decoded; absent when the packet has none. */
  readonly timestamp?: string
  /** Offset from UTC that the device reports for the time stamp, as `+02:00`. */
  readonly zone?: string
  /** The device says that its clock runs since it was switched on. */
  readonly clockNotSet?: boolean
  /** The device says that the time stamp may be wrong. */
  readonly timeFault?: boolean
  /** It was measured before this connection. */
  readonly stored?: boolean
  /** 255 and absent: unknown. */
  readonly userId?: number | undefined
}

/**
 * Numbers that cannot be: some meters send FFFF (that is -0.1) where they have nothing to say. Negative is as good
 * as absent for everything that is asked here.
 */
export function plausible(value: MeasuredValue): MeasuredValue {
  return isDecimal(value) && value.mantissa < 0n ? 'NaN' : value
}

export function numeric(
  type: Extract<Measurement, { kind: 'numeric' }>['type'],
  value: MeasuredValue | Unsuccessful,
  unit: string,
  more: Pick<Measurement, 'status' | 'supplementalTypes' | 'duration' | 'offset'> = {},
): Measurement {
  if (value !== 'UNSUCCESSFUL') return { kind: 'numeric', type, value, unit, ...more }
  return { kind: 'numeric', type, value: 'NaN', unit, ...more, status: ['not-available'] }
}

/** The names of the bits that are set; no measurement when there is none. */
export function bits(
  type: Extract<Measurement, { kind: 'bits' }>['type'],
  flags: number | undefined,
  names: readonly (string | undefined)[],
): readonly Measurement[] {
  if (flags === undefined) return []
  const set = names.filter((name, index) => name !== undefined && bit(flags, index))
  return set.length === 0 ? [] : [{ kind: 'bits', type, set: set.filter((name) => name !== undefined) }]
}

export function coded(
  type: Extract<Measurement, { kind: 'coded' }>['type'],
  code: number | undefined,
  names: Readonly<Record<number, string>>,
): readonly Measurement[] {
  const value = code === undefined ? undefined : names[code]
  return value === undefined ? [] : [{ kind: 'coded', type, value }]
}
