import type { Resource } from './model.js'
import { r4Types } from './r4-types.js'
import { searchParameters } from './search-parameters.js'

const oauthUris = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris'
const serviceSystem = 'http://terminology.hl7.org/CodeSystem/restful-security-service'

/** States what the store does, no more: a test walks this statement. Types outside R4 are stored as well. */
export function capabilityStatement(root: string, open: boolean, startedAt: number): Resource {
  const code = (name: string): { code: string } => ({ code: name })
  const resourceParts = {
    versioning: 'versioned',
    readHistory: true,
    updateCreate: true,
    conditionalCreate: true,
    conditionalRead: 'not-supported',
    conditionalUpdate: false,
    conditionalDelete: 'not-supported',
    referencePolicy: ['literal', 'local'],
    interaction: ['read', 'vread', 'update', 'delete', 'history-instance', 'create', 'search-type'].map(code),
    searchParam: searchParameters.map(({ name, type, documentation }) => ({ name, type, documentation })),
  }
  const security = {
    service: [{ coding: [{ system: serviceSystem, code: 'SMART-on-FHIR' }] }],
    extension: [
      {
        url: oauthUris,
        extension: [
          { url: 'token', valueUri: `${root}/auth/token` },
          { url: 'register', valueUri: `${root}/auth/register` },
        ],
      },
    ],
  }
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: new Date(startedAt).toISOString(),
    kind: 'instance',
    software: { name: 'FHIR Outbox mock server' },
    implementation: { description: 'Mock FHIR R4 server for tests and trials', url: `${root}/fhir` },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    rest: [
      {
        mode: 'server',
        ...(open ? {} : { security }),
        resource: r4Types.map((type) => ({ type, ...resourceParts })),
        interaction: ['batch', 'transaction'].map(code),
      },
    ],
  }
}
