import { toBase64, utf8 } from './bytes.js'
import type { MockState } from './state.js'

/** The credentials that the command puts into its server and prints. Known to everybody: never use them elsewhere. */
export const trial: {
  readonly clientId: string
  readonly secret: string
  readonly app: string
  readonly redirectUri: string
  readonly antispam: string
  readonly receipt: string
  readonly users: readonly {
    readonly username: string
    readonly password: string
    readonly fhirUser: string
  }[]
} = {
  clientId: 'mock-client',
  secret: 'mock-secret',
  app: 'mock-app',
  redirectUri: 'http://127.0.0.1/callback',
  antispam: 'mock-antispam',
  receipt: 'mock-receipt',
  users: [
    { username: 'ada', password: 'ada', fhirUser: 'Patient/ada' },
    { username: 'doctor', password: 'doctor', fhirUser: 'Practitioner/doctor' },
  ],
}

/** Two patients, somebody to treat them, and clients of every kind. */
export function addTrialData(state: MockState): void {
  state.load([
    {
      resourceType: 'Patient',
      id: 'ada',
      name: [{ given: ['Ada'], family: 'Example' }],
      birthDate: '1975-12-10',
    },
    {
      resourceType: 'Patient',
      id: 'ben',
      name: [{ given: ['Ben'], family: 'Example' }],
      birthDate: '1981-02-03',
    },
    { resourceType: 'Practitioner', id: 'doctor', name: [{ given: ['Dora'], family: 'Example' }] },
  ])
  state.addClient({ clientId: trial.clientId, secret: trial.secret })
  state.addClient({ clientId: trial.app, redirectUris: [trial.redirectUri] })
  for (const user of trial.users) state.addUser(user)
  state.addAntispam(trial.antispam)
  state.addReceipt(toBase64(utf8(trial.receipt)))
}
