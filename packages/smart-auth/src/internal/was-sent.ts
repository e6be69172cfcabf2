// What Node reports when no connection was made: the request cannot have arrived.
const beforeConnection = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/**
 * Whether a failed request may have reached the server. Browsers hide the reason of a failure, so there it
 * is always possible.
 */
export function wasSent(error: unknown): 'no' | 'maybe' {
  let current = error
  for (let depth = 0; depth < 5 && current instanceof Error; depth += 1) {
    if ('sent' in current && current.sent === 'no') return 'no'
    if ('code' in current && typeof current.code === 'string' && beforeConnection.has(current.code))
      return 'no'
    // Several addresses were tried: each must have failed this way.
    if (current instanceof AggregateError && current.errors.length > 0) {
      return current.errors.every((each) => wasSent(each) === 'no') ? 'no' : 'maybe'
    }
    current = current.cause
  }
  return 'maybe'
}

/** Whether this device says itself that it has no network. */
export function isOffline(): boolean {
  return typeof navigator !== 'undefined' && 'onLine' in navigator && navigator.onLine === false
}
