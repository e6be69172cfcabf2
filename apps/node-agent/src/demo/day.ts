import { between, pick } from './random.js'

/** Something that happened on the demo's day, as a file would hold it, with what proves its arrival. */
export interface Happening {
  readonly json: string
  readonly proof: Proof
}

/** How a unit is recognised at the server without asking the queue: by content of our own. */
export type Proof =
  | {
      readonly kind: 'blood-pressure'
      readonly patient: string
      readonly at: string
      readonly systolic: number
      readonly diastolic: number
      readonly pulse: number
    }
  | { readonly kind: 'identifier'; readonly type: string; readonly value: string }
  | { readonly kind: 'record'; readonly tagged: readonly { readonly type: string; readonly value: string }[] }

/** Identifier system of everything the demo makes up. */
export const demoSystem = 'urn:oid:2.999.7'

const day = '2026-03-02'

/** A day of three patients with a cuff at home: a reading every half hour, a questionnaire now and then. */
export function dayOfReadings(random: () => number): readonly Happening[] {
  const happenings: Happening[] = []
  for (let minute = 7 * 60; minute <= 21 * 60; minute += 30) {
    for (const patient of ['ada', 'ben', 'cleo']) {
      const at = `${day}T${clock(minute + between(random, 0, 9))}:${String(between(random, 0, 59)).padStart(2, '0')}Z`
      happenings.push(bloodPressure(random, patient, at))
      if (minute % 240 === 0) happenings.push(answers(random, patient, at))
    }
  }
  return happenings
}

function bloodPressure(random: () => number, patient: string, at: string): Happening {
  const systolic = between(random, 108, 158)
  const diastolic = between(random, 62, 98)
  const pulse = between(random, 52, 96)
  const reading = {
    device: {
      systemId:
        { ada: '00-1C-05-04-00-00-00-01', ben: '00-1C-05-04-00-00-00-02' }[patient] ??
        '00-1C-05-04-00-00-00-03',
      manufacturer: 'Demo Devices',
      model: 'Cuff 3',
      serialNumber: `C3-${patient}`,
      versions: { firmware: '1.4.2' },
    },
    gateway: { systemId: '00-1C-05-FF-FE-00-00-10', manufacturer: 'FHIR Outbox', model: 'Demo gateway' },
    patient: { identifier: { system: demoSystem, value: patient } },
    time: { quality: 'synchronized-utc', measuredAt: at },
    measurements: [
      {
        type: 'blood-pressure',
        components: { systolic: `${systolic}`, diastolic: `${diastolic}` },
        unit: 'mm[Hg]',
      },
      { type: 'pulse-rate', value: `${pulse}`, unit: '/min' },
    ],
  }
  return {
    json: JSON.stringify(reading),
    proof: { kind: 'blood-pressure', patient, at, systolic, diastolic, pulse },
  }
}

/** Answers to a questionnaire: the kind of content that travels encrypted. */
function answers(random: () => number, patient: string, at: string): Happening {
  const value = `answers-${patient}-${at}`
  const response = {
    resourceType: 'QuestionnaireResponse',
    identifier: { system: demoSystem, value },
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
  return {
    json: JSON.stringify(response),
    proof: { kind: 'identifier', type: 'QuestionnaireResponse', value },
  }
}

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}
