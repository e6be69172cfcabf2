import { GattError } from '../errors.js'

/** Characteristic values by characteristic: 16-bit number in hex, or the full UUID that Web Bluetooth gives. */
export type GattValues = Readonly<Record<string, Uint8Array | readonly Uint8Array[]>>

export type Values = {
  /** Every value of a characteristic, in the order given. */
  all(characteristic: string): readonly Uint8Array[]
  /** The last value of a characteristic. */
  last(characteristic: string): Uint8Array | undefined
}

const SHORT = /^[0-9A-F]{4}$/
const BASE_UUID = /^0000([0-9A-F]{4})-0000-1000-8000-00805F9B34FB$/

/** Throws `ERR_UNKNOWN_CHARACTERISTIC` for a name that is not in `known`: a misspelt one must not vanish. */
export function valuesOf(given: GattValues, known: ReadonlySet<string>): Values {
  const byName = new Map<string, readonly Uint8Array[]>()
  for (const [key, value] of Object.entries(given)) {
    const upper = key.toUpperCase()
    const name = SHORT.test(upper) ? upper : BASE_UUID.exec(upper)?.[1]
    if (name === undefined || !known.has(name)) {
      throw new GattError(
        'ERR_UNKNOWN_CHARACTERISTIC',
        name === undefined
          ? 'A key is no characteristic: neither 4 hex digits nor a UUID of the Bluetooth SIG.'
          : `The characteristic ${name} is not decoded.`,
      )
    }
    const values = Array.isArray(value) ? (value as readonly Uint8Array[]) : [value as Uint8Array]
    byName.set(name, [...(byName.get(name) ?? []), ...values])
  }
  const all = (characteristic: string): readonly Uint8Array[] => byName.get(characteristic) ?? []
  return { all, last: (characteristic) => all(characteristic).at(-1) }
}

/** Decodes the last value of a characteristic when there is one. */
export function decoded<T>(
  values: Values,
  characteristic: string,
  decode: (value: Uint8Array) => T,
): T | undefined {
  const value = values.last(characteristic)
  return value === undefined ? undefined : decode(value)
}
