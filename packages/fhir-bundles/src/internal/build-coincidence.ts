import { decimalText } from '../decimal.js'
import type { ObservationResource } from '../resources.js'
import { knownConcept, profileMeta, timeSyncConcept } from './build-device.js'
import { CLOCKS, COINCIDENT_IDENTIFIER, UCUM } from './codes.js'
import { type Instant, printInstant, timePart, utcSeconds } from './instant.js'
import type { Coincidence } from './time-line.js'

/** The coincident time stamp of one connection: what both clocks showed at the same moment. */
export function buildCoincidence(
  coincidence: Coincidence,
  keys: { readonly device: string; readonly gateway: string },
  references: { readonly device: string; readonly gateway: string },
): ObservationResource {
  const { device, gateway, syncMethod } = coincidence
  const clock = CLOCKS[clockType(device)]
  const gatewaySeconds = decimalText(utcSeconds(gateway.seconds, gateway.offset))
  return {
    resourceType: 'Observation',
    meta: profileMeta('PhdCoincidentTimeStampObservation'),
    identifier: [
      {
        system: COINCIDENT_IDENTIFIER,
        value: [keys.device, keys.gateway, clock.code, timePart(device), gatewaySeconds].join('-'),
      },
    ],
    status: 'final',
    code: knownConcept(clock.code, clock.display, clock.text),
    subject: { reference: references.device },
    effectiveDateTime: printInstant(gateway.seconds, gateway.offset),
    ...deviceClock(coincidence),
    device: { reference: references.gateway },
    ...(syncMethod === undefined
      ? {}
      : {
          component: [
            {
              code: knownConcept(68220, 'MDC_TIME_SYNC_PROTOCOL', 'Time synchronisation'),
              valueCodeableConcept: timeSyncConcept(syncMethod),
            },
          ],
        }),
  }
}

function clockType(device: Instant): keyof typeof CLOCKS {
  if (device.kind === 'ticks') return 'relative'
  return device.offset === undefined ? 'absolute' : 'baseOffset'
}

function deviceClock({
  device,
  gateway,
}: Coincidence): Pick<ObservationResource, 'valueDateTime' | 'valueQuantity'> {
  if (device.kind === 'calendar') {
    // Device and gateway may be assumed to be in one zone.
    return { valueDateTime: printInstant(device.seconds, device.offset ?? gateway.offset) }
  }
  const value = { mantissa: device.seconds.mantissa, exponent: device.seconds.exponent + 6 }
  return { valueQuantity: { value, unit: 'microseconds', system: UCUM, code: 'us' } }
}
