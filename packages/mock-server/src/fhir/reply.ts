import { jsonText } from '../json.js'
import type { Resource } from './model.js'

export function fhirReply(
  status: number,
  resource: Resource | undefined,
  headers: Readonly<Record<string, string>> = {},
): Response {
  if (resource === undefined) return new Response(null, { status, headers })
  return new Response(jsonText(resource), {
    status,
    headers: { 'content-type': 'application/fhir+json;charset=utf-8', ...headers },
  })
}
