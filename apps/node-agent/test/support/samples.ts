/** FHIR JSON for tests. */
export const patient = { resourceType: 'Patient', active: true, birthDate: '1970-02-03' }

export function observation(text: string): Record<string, unknown> {
  return { resourceType: 'Observation', status: 'final', code: { text } }
}

export function collection(...resources: readonly object[]): object {
  return { resourceType: 'Bundle', type: 'collection', entry: resources.map((resource) => ({ resource })) }
}

export function transaction(...resources: readonly { readonly resourceType: string }[]): object {
  return {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: resources.map((resource) => ({
      resource,
      request: { method: 'POST', url: resource.resourceType },
    })),
  }
}

/** A reading of a blood pressure cuff, as the README shows it. */
export function reading(): Record<string, unknown> & { time: Record<string, unknown> } {
  return {
    device: {
      systemId: '00-1C-05-04-00-00-78-25',
      manufacturer: 'Example Devices',
      model: 'Cuff 3',
      serialNumber: 'C3-0042',
    },
    gateway: { systemId: '00-1C-05-FF-FE-00-00-10', manufacturer: 'Example', model: 'Hub' },
    patient: { identifier: { system: 'urn:oid:2.999.1', value: 'patient-7' } },
    time: { quality: 'synchronized-utc', measuredAt: '2026-03-02T07:01:22Z' },
    measurements: [
      {
        type: 'blood-pressure',
        components: { systolic: '121', diastolic: '79.50' },
        unit: 'mm[Hg]',
      },
      { type: 'pulse-rate', value: '64', unit: '/min' },
    ],
  }
}
