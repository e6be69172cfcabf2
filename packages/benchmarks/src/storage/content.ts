/** An observation of about 1,200 bytes, different each time. */
export function observation(n: number): string {
  return JSON.stringify({
    resourceType: 'Observation',
    identifier: [
      {
        system: 'urn:ietf:rfc:3986',
        value: `urn:uuid:00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
      },
    ],
    status: 'final',
    category: [
      {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' },
        ],
      },
    ],
    code: {
      coding: [{ system: 'http://loinc.org', code: '85354-9', display: 'Blood pressure panel' }],
      text: 'Blood pressure',
    },
    subject: { reference: `Patient/${n % 97}` },
    effectiveDateTime: '2026-03-02T07:00:00Z',
    component: ['8480-6', '8462-4'].map((code) => ({
      code: { coding: [{ system: 'http://loinc.org', code, display: 'Arterial blood pressure' }] },
      valueQuantity: {
        value: 60 + (n % 80),
        unit: 'mm[Hg]',
        system: 'http://unitsofmeasure.org',
        code: 'mm[Hg]',
      },
    })),
    note: [{ text: 'x'.repeat(330) }],
  })
}
