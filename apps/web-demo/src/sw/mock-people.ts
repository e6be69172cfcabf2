import type { MockState } from '@fhir-outbox/mock-server'
import { demoPatient, demoPeople } from '../model/demo-people.js'

/** The people that the demo server knows: Ada, who is also whoever measured without signing in, and Ben and Dora. */
export function addPeople(state: MockState): void {
  for (const { username, password, fhirUser } of demoPeople) state.addUser({ username, password, fhirUser })
  if (state.get('Practitioner', 'dora') !== undefined) return
  // Readings of an earlier version of the demo may have made the patient already.
  const known = state
    .resources('Patient')
    .some((patient) => JSON.stringify(patient).includes(demoPatient.value))
  state.load([
    {
      resourceType: 'Patient',
      id: 'ada',
      ...(known ? {} : { identifier: [demoPatient] }),
      name: [{ given: ['Ada'], family: 'Example' }],
    },
    { resourceType: 'Patient', id: 'ben', name: [{ given: ['Ben'], family: 'Example' }] },
    { resourceType: 'Practitioner', id: 'dora', name: [{ given: ['Dora'], family: 'Example' }] },
  ])
}
