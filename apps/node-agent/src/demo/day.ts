import { deviceBundle, stringifyExact, stringifyReading } from '@fhir-outbox/fhir-bundles'
import { readingFromGatt } from '@fhir-outbox/fhir-bundles/gatt'
import { simulateDevice, type SimulatedKind, type SimulatedPacket } from '@fhir-outbox/fhir-bundles/simulate'
import { between, pick } from './random.js'

/** Something that happened on the demo's day, as a file would hold it, with what proves its arrival. */
export interface Happening {
  readonly kind: 'reading' | 'answers' | 'record'
  /** When it happened, ISO 8601 in UTC. */
  readonly at: string
  readonly json: string
  /** What the server must have when it has arrived, each recognised by an identifier or tag of its own. */
  readonly parts: readonly Part[]
}

export interface Part {
  /** How other parts refer to it. */
  readonly fullUrl?: string
  readonly resource: Readonly<Record<string, unknown>>
  /** Who and what measured is part of many happenings, and is there once for all of them. */
  readonly shared: boolean
}

/** Identifier system of everything the demo makes up. */
export const demoSystem = 'urn:oid:2.999.7'

const day = '2026-03-02'

/** When the morning is over. */
export const noon: string = `${day}T12:00:00.000Z`

/** Who has which devices at home. */
const household: Readonly<Record<string, readonly SimulatedKind[]>> = {
  ada: ['blood-pressure-cuff', 'glucometer', 'scale', 'thermometer', 'oximeter', 'heart-rate-strap'],
  ben: ['blood-pressure-cuff', 'glucometer', 'scale', 'thermometer'],
  cleo: ['blood-pressure-cuff', 'oximeter'],
}

const gateway = { systemId: '00-1C-05-FF-FE-00-00-10', manufacturer: 'FHIR Outbox', model: 'Demo gateway' }

/** A day of three people: what their devices send, as octets, and answers to a questionnaire now and then. */
export function dayOfHappenings(random: () => number): readonly Happening[] {
  const happenings: Happening[] = []
  for (const [patient, kinds] of Object.entries(household)) {
    for (const kind of kinds) {
      const { packets } = simulateDevice(kind, {
        seed: between(random, 1, 1_000_000),
        clock: () => Date.parse(day),
      })
      happenings.push(...packets.map((packet) => readingOf(patient, packet)))
    }
    for (const hour of ['08', '12', '19']) {
      const at = `${day}T${hour}:${between(random, 10, 59)}:00.000Z`
      happenings.push(answers(random, patient, at))
    }
  }
  return happenings.sort((a, b) => Date.parse(a.at) - Date.parse(b.at))
}

/** The octets of one measurement, as a reading for the drop folder. */
function readingOf(patient: string, { values, receivedAt }: SimulatedPacket): Happening {
  const identifier = { system: demoSystem, value: patient }
  const reading = readingFromGatt(values, { gateway, patient: { identifier }, receivedAt })
  const { bundle } = deviceBundle([reading])
  if (bundle === undefined) throw new TypeError('A simulated reading cannot be placed in time.')
  // As the server will tell it: numbers instead of exact decimals.
  const { entry } = JSON.parse(stringifyExact(bundle)) as { entry: readonly Omit<Part, 'shared'>[] }
  return {
    kind: 'reading',
    at: receivedAt,
    json: stringifyReading(reading),
    parts: entry.map(({ fullUrl, resource }) => ({
      ...(fullUrl === undefined ? {} : { fullUrl }),
      resource,
      shared: resource['resourceType'] === 'Patient' || resource['resourceType'] === 'Device',
    })),
  }
}

/** Answers to a questionnaire: the kind of content that travels encrypted. */
function answers(random: () => number, patient: string, at: string): Happening {
  const resource = {
    resourceType: 'QuestionnaireResponse',
    identifier: { system: demoSystem, value: `answers-${patient}-${at}` },
    status: 'completed',
    authored: at,
    subject: { identifier: { system: demoSystem, value: patient } },
    item: [
      {
        linkId: 'mood',
        text: 'How do you feel?',
        answer: [{ valueString: pick(random, ['fine', 'tired', 'worried']) }],
      },
      { linkId: 'pain', text: 'Pain, 0 to 10', answer: [{ valueInteger: between(random, 0, 6) }] },
    ],
  }
  return { kind: 'answers', at, json: JSON.stringify(resource), parts: [{ resource, shared: false }] }
}
