import { decimalText } from '../decimal.js'
import type { TimeSync } from '../reading.js'
import type { Identifier, ObservationComponent, ObservationResource } from '../resources.js'
import { knownConcept, profileMeta, timeSyncConcept } from './build-device.js'
import { CLOCKS, COINCIDENT_IDENTIFIER, DATA_ABSENT_REASON, UCUM } from './codes.js'
import { type Instant, printInstant, timePart, utcSeconds } from './instant.js'
import type { Party } from './parties.js'
import type { Coincidence } from './time-line.js'

/** The coincident time stamp of one connection: what both clocks showed at the same moment. */
export function buildCoincidence(
  coincidence: Coincidence,
  device: Party,
  gateway: Party,
): { readonly resource: ObservationResource; readonly identifier: Identifier } {
  const { own, device: deviceTime, gateway: gatewayTime, syncMethod } = coincidence
  const clock = CLOCKS[clockType(own)]
  const shown = deviceTime === undefined ? 'unknown' : timePart(deviceTime)
  const at = decimalText(utcSeconds(gatewayTime.seconds, gatewayTime.offset))
  const identifier = {
    system: COINCIDENT_IDENTIFIER,
    value: `${device.key.text}-${gateway.key.text}-${clock.code}-${shown}-${at}`,
  }
  const resource: ObservationResource = {
    resourceType: 'Observation',
    meta: profileMeta('PhdCoincidentTimeStampObservation'),
    identifier: [identifier],
    status: 'final',
    code: knownConcept(clock.code, clock.display, clock.text),
    subject: device.reference,
    effectiveDateTime: printInstant(gatewayTime.seconds, gatewayTime.offset),
    ...deviceClock(coincidence),
    device: gateway.reference,
    ...(syncMethod === undefined ? {} : { component: [syncComponent(syncMethod)] }),
  }
  return { resource, identifier }
}

function syncComponent(method: TimeSync): ObservationComponent {
  return {
    code: knownConcept(68220, 'MDC_TIME_SYNC_PROTOCOL', 'Time synchronisation'),
    valueCodeableConcept: timeSyncConcept(method),
  }
}

function clockType(device: Instant): keyof typeof CLOCKS {
  if (device.kind === 'ticks') return 'relative'
  return device.offset === undefined ? 'absolute' : 'baseOffset'
}

function deviceClock({
  device,
  gateway,
}: Coincidence): Pick<ObservationResource, 'valueDateTime' | 'valueQuantity' | 'dataAbsentReason'> {
  if (device === undefined) {
    const coding = [{ system: DATA_ABSENT_REASON, code: 'unknown', display: 'Unknown' }]
    return { dataAbsentReason: { coding, text: "Fault of the device's clock" } }
  }
  if (device.kind === 'calendar') {
    // Device and gateway may be assumed to be in one zone.
    return { valueDateTime: printInstant(device.seconds, device.offset ?? gateway.offset) }
  }
  const value = { mantissa: device.seconds.mantissa, exponent: device.seconds.exponent + 6 }
  return { valueQuantity: { value, unit: 'microseconds', system: UCUM, code: 'us' } }
}
