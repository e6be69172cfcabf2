import {
  deviceBundle,
  parseReading,
  stringifyExact,
  type PatientIdentity,
  type Reading,
} from '@fhir-outbox/fhir-bundles'

/** What a person has read off a monitor, in mmHg and beats per minute. Decimal text, as it was typed. */
export interface TypedReading {
  readonly systolic: string
  readonly diastolic: string
  readonly pulse?: string
}

const typedMonitor = {
  systemId: '02-4F-42-FF-FE-00-00-01',
  manufacturer: 'FHIR Outbox',
  model: 'A monitor that cannot talk',
  serialNumber: 'DEMO-1',
}
export const gateway = { systemId: '02-4F-42-FF-FE-00-00-02', manufacturer: 'FHIR Outbox', model: 'Web demo' }

let lastTime = 0

/** Strictly increasing: the time is part of what tells two readings apart. */
export function timeOfReading(): string {
  lastTime = Math.max(Date.now(), lastTime + 1)
  return new Date(lastTime).toISOString()
}

/** As a transaction Bundle after the Personal Health Device guide, in JSON text with exact decimals. */
export function bundleOf(reading: Reading): string {
  const { bundle } = deviceBundle([reading])
  if (bundle === undefined) throw new TypeError('The reading became no Bundle.')
  return stringifyExact(bundle)
}

/** @throws BundleError for values that are no numbers */
export function typedBundle({ systolic, diastolic, pulse }: TypedReading, patient: PatientIdentity): string {
  const status = ['manual']
  return bundleOf(
    parseReading({
      device: typedMonitor,
      gateway,
      patient,
      time: { quality: 'synchronized-utc', measuredAt: timeOfReading() },
      measurements: [
        { type: 'blood-pressure', components: { systolic, diastolic }, unit: 'mm[Hg]', status },
        ...(pulse === undefined ? [] : [{ type: 'pulse-rate', value: pulse, unit: '/min', status }]),
      ],
    }),
  )
}
