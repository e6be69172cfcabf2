import { isRecord, stringMember, type JsonRecord } from './json.js'

const extensionUrl = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris'

const memberNames: Readonly<Record<string, string>> = {
  token: 'token_endpoint',
  authorize: 'authorization_endpoint',
  register: 'registration_endpoint',
  introspect: 'introspection_endpoint',
  revoke: 'revocation_endpoint',
  manage: 'management_endpoint',
}

function records(value: unknown): readonly JsonRecord[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

/**
 * The endpoints of a CapabilityStatement's `oauth-uris` extension under the member names of a SMART
 * configuration; undefined when it has none. Deprecated, and still the only source
 * on older servers.
 */
export function oauthUris(capabilityStatement: JsonRecord): JsonRecord | undefined {
  const uris = records(capabilityStatement['rest'])
    .flatMap((rest) => (isRecord(rest['security']) ? records(rest['security']['extension']) : []))
    .filter((extension) => extension['url'] === extensionUrl)
    .flatMap((extension) => records(extension['extension']))
  const found: Record<string, string> = {}
  for (const uri of uris) {
    const name = memberNames[stringMember(uri, 'url') ?? '']
    const value = stringMember(uri, 'valueUri')
    if (name !== undefined && value !== undefined) found[name] ??= value
  }
  return uris.length === 0 ? undefined : found
}
