/** The formats in which readings can be sealed for their receiver. */
export type Suite = 'jwe' | 'c3-pro'

export const suiteNames: Readonly<Record<Suite, string>> = { jwe: 'JWE', 'c3-pro': 'C3-PRO' }

/** What an envelope says of itself. */
export interface SealedFor {
  readonly suite: Suite
  /** Of the receiver's key, which this device does not have. */
  readonly keyId: string
}

type JsonObject = Readonly<Record<string, unknown>>

function objectOf(json: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined
  } catch {
    return undefined
  }
}

function fromBase64Url(text: string): string {
  try {
    return atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    return ''
  }
}

/** For whom the content of an entry is sealed; `undefined` when it is no envelope. */
export function sealedFor(json: string): SealedFor | undefined {
  const envelope = objectOf(json)
  if (envelope === undefined) return undefined
  const { key_id: c3ProKey, symmetric_key, protected: head, ciphertext } = envelope
  if (typeof c3ProKey === 'string' && typeof symmetric_key === 'string')
    return { suite: 'c3-pro', keyId: c3ProKey }
  if (typeof head !== 'string' || typeof ciphertext !== 'string') return undefined
  const keyId = objectOf(fromBase64Url(head))?.['kid']
  return { suite: 'jwe', keyId: typeof keyId === 'string' ? keyId : 'unknown' }
}
