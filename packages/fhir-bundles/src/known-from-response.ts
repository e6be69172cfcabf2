import type { KnownReferences } from './device-bundle.js'
import type { TransactionEntry } from './resources.js'
import type { UnpackedResponse } from './unpack-response.js'

/**
 * What a response taught: condition → reference, for the `known` option of `deviceBundle`. Empty when the
 * response does not align with the request: a wrong id here would file measurements under another patient.
 *
 * @param types resource types to remember; Patient and Device by default, the ones every bundle repeats.
 */
export function knownFromResponse(
  request: { readonly entry?: readonly TransactionEntry[] },
  response: UnpackedResponse,
  types: readonly string[] = ['Patient', 'Device'],
): KnownReferences {
  if (!response.aligned) return {}
  const known: Record<string, string> = {}
  for (const { index, result, type, id } of response.results) {
    const asked = request.entry?.[index]?.request
    if (asked?.method !== 'POST' || asked.ifNoneExist === undefined || result !== 'done') continue
    if (type === asked.url && id !== undefined && types.includes(type)) {
      known[`${asked.url}?${asked.ifNoneExist}`] = `${type}/${id}`
    }
  }
  return known
}
