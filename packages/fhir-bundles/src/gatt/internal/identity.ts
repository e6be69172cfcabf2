import type { DeviceIdentity, Versions } from '../../reading.js'
import { decodePnpId, decodeSystemId, decodeText } from '../device-information.js'
import { GattError } from '../errors.js'
import { decoded, type Values } from './values.js'

/** What Device Information tells, below what the application knows better. */
export function identityOf(
  values: Values,
  given: Partial<DeviceIdentity>,
  specialization: number,
): DeviceIdentity {
  const systemId = given.systemId ?? systemIdOf(values)
  if (systemId === undefined && given.address === undefined) {
    throw incomplete('the System ID (2A23) or `device.address`')
  }
  const manufacturer = given.manufacturer ?? textOf(values, '2A29') ?? vendorOf(values)
  if (manufacturer === undefined) throw incomplete('the manufacturer (2A29) or `device.manufacturer`')
  const model = given.model ?? textOf(values, '2A24') ?? productOf(values)
  if (model === undefined) throw incomplete('the model number (2A24) or `device.model`')
  const serialNumber = given.serialNumber ?? textOf(values, '2A25')
  const versions = { ...versionsOf(values), ...given.versions }
  return {
    ...given,
    ...(systemId === undefined ? {} : { systemId }),
    manufacturer,
    model,
    ...(serialNumber === undefined ? {} : { serialNumber }),
    ...(Object.keys(versions).length === 0 ? {} : { versions }),
    specializations: given.specializations ?? [{ code: specialization }],
  }
}

export function incomplete(what: string): GattError {
  return new GattError('ERR_INCOMPLETE_READING', `There is no reading without ${what}.`)
}

function systemIdOf(values: Values): string | undefined {
  const eui64 = decoded(values, '2A23', decodeSystemId)?.eui64
  // All zeros and all ones are what devices without an id send.
  return eui64 === undefined || /^(?:00-?)+$|^(?:FF-?)+$/.test(eui64) ? undefined : eui64
}

function textOf(values: Values, characteristic: string): string | undefined {
  const text = decoded(values, characteristic, decodeText)
    // eslint-disable-next-line no-control-regex
    ?.replaceAll(/[\u0000-\u001f\u007f]/g, ' ')
    .trim()
  return text === '' ? undefined : text
}

function versionsOf(values: Values): Versions {
  const firmware = textOf(values, '2A26')
  const hardware = textOf(values, '2A27')
  const software = textOf(values, '2A28')
  return {
    ...(firmware === undefined ? {} : { firmware }),
    ...(hardware === undefined ? {} : { hardware }),
    ...(software === undefined ? {} : { software }),
  }
}

const BLUETOOTH_SIG = 1

function vendorOf(values: Values): string | undefined {
  const pnp = decoded(values, '2A50', decodePnpId)
  if (pnp === undefined) return undefined
  return `${pnp.vendorIdSource === BLUETOOTH_SIG ? 'Bluetooth company' : 'USB vendor'} ${pnp.vendorId}`
}

function productOf(values: Values): string | undefined {
  const pnp = decoded(values, '2A50', decodePnpId)
  return pnp === undefined ? undefined : `Product ${pnp.productId}`
}
