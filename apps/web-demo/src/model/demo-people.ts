/** Everybody who measures without signing in is this patient, wherever the readings go. */
export const demoPatient = { system: 'https://fhir-outbox.example/demo-patients', value: 'demo-1' }

/** Who can sign in at the demo server. Everybody knows the passwords: they protect nothing. */
export const demoPeople = [
  { username: 'ada', password: 'ada', fhirUser: 'Patient/ada', about: 'herself' },
  { username: 'dora', password: 'dora', fhirUser: 'Practitioner/dora', about: 'one of her patients' },
] as const
