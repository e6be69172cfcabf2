import { mediaType } from '../server/call.js'
import { FhirProblem } from './problem.js'
import type { FhirProfile } from './profile.js'

export interface Preferences {
  readonly return: 'minimal' | 'representation' | 'OperationOutcome' | undefined
  readonly strict: boolean
  readonly respondAsync: boolean
}

/** Reads `Prefer`; unknown preferences and values are ignored, as RFC 7240 wants. */
export function parsePrefer(headers: Headers): Preferences {
  const wishes = (headers.get('prefer') ?? '').split(/[,;]/).map((wish) => wish.trim().replaceAll('"', ''))
  const kinds = ['minimal', 'representation', 'OperationOutcome'] as const
  return {
    return: kinds.find((kind) => wishes.includes(`return=${kind}`)),
    strict: wishes.includes('handling=strict'),
    respondAsync: wishes.includes('respond-async'),
  }
}

const jsonTypes = new Set(['application/fhir+json', 'application/json', 'application/json+fhir', 'text/json'])

export function requireJsonBody(headers: Headers, { unsupportedMediaStatus }: FhirProfile): void {
  const type = mediaType(headers)
  if (!jsonTypes.has(type)) {
    throw new FhirProblem(
      unsupportedMediaStatus,
      'not-supported',
      `Send application/fhir+json, not \`${type.slice(0, 60)}\`.`,
    )
  }
}

export function requirePatchBody(headers: Headers): void {
  if (mediaType(headers) === 'application/json-patch+json') return
  throw new FhirProblem(415, 'not-supported', 'A patch is sent as application/json-patch+json.', {
    headers: { 'accept-patch': 'application/json-patch+json' },
  })
}

/** `_format` overrides `Accept`; a client that takes no JSON gets 406. */
export function requireJsonAccepted(headers: Headers, format: string | null): void {
  // In a query string, the `+` of a media type arrives as a space unless it was encoded.
  const wanted = format === null ? headers.get('accept') : format.replaceAll(' ', '+')
  if (wanted === null || wanted === '') return
  const ranges = wanted.split(',').map((range) => range.split(';')[0]?.trim().toLowerCase() ?? '')
  const fits = ranges.some(
    (range) => range === 'json' || range === '*/*' || range === 'application/*' || jsonTypes.has(range),
  )
  if (!fits) throw new FhirProblem(406, 'not-supported', 'This server speaks JSON only.')
}
