// What Node reports when no connection was made, or its certificate was not accepted: the request cannot have arrived.
const beforeRequest =
  /^(ECONNREFUSED|ENOTFOUND|ENODATA|EAI_\w+|E(HOST|NET)(UNREACH|DOWN)|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT|(\w+_)?CERT_\w+|\w+_(CERT|LEAF_SIGNATURE))$/

// What `connect` reports before a byte leaves, and other calls on a live socket do as well.
const inConnect = /^(ETIMEDOUT|ECONNRESET|EACCES|EPERM)$/

function isBeforeRequest(error: Error & { readonly code?: unknown; readonly syscall?: unknown }): boolean {
  const code = String(error.code)
  return (
    beforeRequest.test(code) ||
    (error.syscall === 'connect' && inConnect.test(code)) ||
    // Node's words for a peer that hangs up during the handshake; the code is a bare ECONNRESET.
    error.message.includes('before secure TLS connection was established')
  )
}

/**
 * Whether a failed request may have reached the server. Browsers hide the reason of a failure, so there it
 * is always possible.
 */
export function wasSent(error: unknown): 'no' | 'maybe' {
  let current = error
  for (let depth = 0; depth < 5 && current instanceof Error; depth += 1) {
    if ('sent' in current && current.sent === 'no') return 'no'
    // Several addresses were tried: each must have failed this way. The code is that of the first.
    if (current instanceof AggregateError && current.errors.length > 0) {
      return current.errors.every((each) => wasSent(each) === 'no') ? 'no' : 'maybe'
    }
    if (isBeforeRequest(current)) return 'no'
    current = current.cause
  }
  return 'maybe'
}

/** Whether this device says itself that it has no network. */
export function isOffline(): boolean {
  return typeof navigator !== 'undefined' && 'onLine' in navigator && navigator.onLine === false
}
