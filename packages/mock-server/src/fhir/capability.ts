import { includable } from './include.js'
import type { InteractionName } from './interactions.js'
import type { Resource } from './model.js'
import type { FhirProfile } from './profile.js'
import { r4Types } from './r4-types.js'
import { searchParameters } from './search-parameters.js'

const oauthUris = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris'
const serviceSystem = 'http://terminology.hl7.org/CodeSystem/restful-security-service'

/** Codes of the statement that have one row in the table of interactions. */
const typeCodes = [
  'read',
  'vread',
  'update',
  'patch',
  'delete',
  'history-instance',
  'history-type',
  'create',
  'search-type',
] as const
const systemCodes = ['transaction', 'batch', 'search-system', 'history-system'] as const

export interface CapabilityInput {
  readonly root: string
  readonly open: boolean
  readonly startedAt: number
  readonly profile: FhirProfile
  /** The rows that this server answers to. */
  readonly has: ReadonlySet<InteractionName>
}

/** States what the store does, no more: a test walks this statement. Types outside R4 are stored as well. */
export function capabilityStatement({ root, open, startedAt, profile, has }: CapabilityInput): Resource {
  const code = (name: string): { code: string } => ({ code: name })
  const stated = <T extends InteractionName>(codes: readonly T[]): { code: string }[] =>
    codes.filter((name) => has.has(name)).map(code)
  const conditionalDelete = has.has('conditional-delete') ? profile.conditionalDelete : 'not-supported'
  const resourceParts = (type: string): object => ({
    versioning: profile.versionIds === 'none' ? 'no-version' : 'versioned',
    readHistory: has.has('vread'),
    updateCreate: profile.updateAsCreate === 'created',
    conditionalCreate: has.has('conditional-create') && profile.conditionalCreate,
    conditionalRead: profile.conditionalRead ? 'full-support' : 'not-supported',
    conditionalUpdate: has.has('conditional-update'),
    conditionalDelete,
    referencePolicy: ['literal', 'local', ...(profile.integrity ? ['enforced'] : [])],
    interaction: stated(typeCodes),
    searchInclude: Object.keys(includable).map((parameter) => `${type}:${parameter}`),
    searchParam: searchParameters.map(({ name, type: kind, documentation }) => ({
      name,
      type: kind,
      documentation,
    })),
    ...(type === 'Patient' && has.has('everything')
      ? {
          operation: [
            { name: 'everything', definition: 'http://hl7.org/fhir/OperationDefinition/Patient-everything' },
          ],
        }
      : {}),
  })
  const security = {
    service: [{ coding: [{ system: serviceSystem, code: 'SMART-on-FHIR' }] }],
    extension: [
      {
        url: oauthUris,
        extension: [
          { url: 'token', valueUri: `${root}/auth/token` },
          { url: 'authorize', valueUri: `${root}/auth/authorize` },
          { url: 'register', valueUri: `${root}/auth/register` },
          { url: 'introspect', valueUri: `${root}/auth/introspect` },
          { url: 'revoke', valueUri: `${root}/auth/revoke` },
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
    ...(has.has('patch') ? { patchFormat: ['application/json-patch+json'] } : {}),
    rest: [
      {
        mode: 'server',
        ...(open ? {} : { security }),
        resource: r4Types.map((type) => ({ type, ...resourceParts(type) })),
        interaction: stated(systemCodes).filter(
          ({ code: name }) => name !== 'transaction' || profile.transactions !== 'not-supported',
        ),
      },
    ],
  }
}
