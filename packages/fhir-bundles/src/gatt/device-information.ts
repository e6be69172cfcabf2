import { octetsOf } from './internal/octets.js'

/** System ID, 2A23. */
export interface SystemId {
  /** In true order, upper-case hex with dashes, as `DeviceIdentity.systemId` takes it. */
  readonly eui64: string
}

/** The octets come least significant first, so they are reversed. Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeSystemId(value: Uint8Array): SystemId {
  const octets = octetsOf(value, '2A23').take(8)
  const hex = Array.from(octets, (octet) => octet.toString(16).padStart(2, '0').toUpperCase())
  return { eui64: hex.toReversed().join('-') }
}

/** PnP ID, 2A50. */
export interface PnpId {
  /** 1 Bluetooth SIG, 2 USB Implementers Forum. */
  readonly vendorIdSource: number
  readonly vendorId: number
  readonly productId: number
  readonly productVersion: number
}

/** Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodePnpId(value: Uint8Array): PnpId {
  const octets = octetsOf(value, '2A50')
  return {
    vendorIdSource: octets.u8(),
    vendorId: octets.u16(),
    productId: octets.u16(),
    productVersion: octets.u16(),
  }
}

/** A text of Device Information: maker 2A29, model 2A24, serial 2A25, revisions 2A26 to 2A28. */
export function decodeText(value: Uint8Array): string {
  const octets = octetsOf(value, 'Device Information')
  // Some devices fill up with zeros or spaces.
  return new TextDecoder().decode(octets.take(octets.left)).replace(/\0.*$/s, '').trim()
}

/** Battery Level, 2A19, in percent. Throws `ERR_NO_PACKET` or `ERR_PACKET_TOO_SHORT`. */
export function decodeBattery(value: Uint8Array): number {
  return octetsOf(value, '2A19').u8()
}
