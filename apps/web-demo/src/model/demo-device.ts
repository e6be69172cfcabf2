import type { PatientIdentity } from '@fhir-outbox/fhir-bundles'
import { readingFromGatt } from '@fhir-outbox/fhir-bundles/gatt'
import { simulateDevice, type SimulatedKind, type SimulatedPacket } from '@fhir-outbox/fhir-bundles/simulate'
import { bundleOf, gateway, timeOfReading } from './reading.js'

/** A device that is not there: gives its measurements one after the other, as Bundles of transactions. */
export interface DemoDevice {
  measure(patient: PatientIdentity): string
}

const dayMs = 86_400_000

/**
 * Every packet comes once, day after day of the device's own clock, since its time stamps are what readings are told
 * apart by. The gateway sees how far that clock is off, and shifts the reading to the moment it was taken.
 */
export function demoDevice(kind: SimulatedKind, seed: number): DemoDevice {
  let day = 0
  let left: readonly SimulatedPacket[] = []
  return {
    measure(patient) {
      while (left.length === 0) {
        const morning = Date.now() + day * dayMs
        left = simulateDevice(kind, { seed, clock: () => morning }).packets
        day += 1
      }
      const [packet, ...others] = left
      left = others
      if (packet === undefined) throw new TypeError('The device has nothing to say.')
      return bundleOf(readingFromGatt(packet.values, { gateway, patient, receivedAt: timeOfReading() }))
    },
  }
}
