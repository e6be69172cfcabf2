import type { Reading } from '../reading.js'
import type { DeviceResource, PatientResource, Reference } from '../resources.js'
import { buildDevice, buildGateway, buildPatient } from './build-device.js'
import type { Collector } from './collector.js'
import { constant } from './constant.js'
import { deviceMapKey, gatherIdentities, isIdentified, patientMapKey } from './identities.js'
import { deviceKey, identifierCondition, type KeyPart, keyPart, patientKey } from './identity.js'

/** What resources say of a device, a gateway or a patient. */
export type Party = {
  readonly reference: Reference
  /** Its part of identifiers. */
  readonly key: KeyPart
}
export type Parties = {
  readonly patients: ReadonlyMap<string, Party>
  readonly gateways: ReadonlyMap<string, Party>
  readonly devices: ReadonlyMap<string, Party>
}

/** Adds every device, gateway and patient of the readings once, and tells what to call them. */
export function addParties(
  placed: readonly { reading: Reading; path: string }[],
  collector: Collector,
): Parties {
  const identities = gatherIdentities(placed)
  const add = (resource: PatientResource | DeviceResource, key: string): Party => {
    const [identifier] = resource.identifier
    if (identifier === undefined) throw new RangeError('Every resource is built with an identifier')
    const reference = collector.add(resource, identifierCondition(identifier), () => resource.resourceType)
    return { reference: constant({ reference }), key: keyPart(key) }
  }
  const each = <T>(map: ReadonlyMap<string, T>, party: (item: T) => Party): Map<string, Party> =>
    new Map([...map].map(([key, item]) => [key, party(item)]))
  return {
    patients: each(identities.patients, (patient) =>
      isIdentified(patient)
        ? add(buildPatient(patient), patientKey(patient))
        : { reference: constant({ reference: `Patient/${patient.id}` }), key: keyPart(patient.id) },
    ),
    gateways: each(identities.gateways, (gateway) => add(buildGateway(gateway), deviceKey(gateway))),
    devices: each(identities.devices, (device) => add(buildDevice(device), deviceKey(device))),
  }
}

/** Those of one reading. */
export function partiesOf(
  reading: Reading,
  { devices, gateways, patients }: Parties,
): { readonly device: Party; readonly gateway: Party; readonly patient: Party } {
  return {
    device: found(devices, deviceMapKey(reading.device)),
    gateway: found(gateways, deviceMapKey(reading.gateway)),
    patient: found(patients, patientMapKey(reading.patient)),
  }
}

function found(parties: ReadonlyMap<string, Party>, key: string): Party {
  const party = parties.get(key)
  if (party === undefined) throw new RangeError('Every identity of a reading was gathered')
  return party
}
