import type { FhirErrorCode } from './errors.js'

/** What a failed connection means for the request. */
export interface NetworkFailure {
  readonly code: Extract<
    FhirErrorCode,
    'ERR_DNS' | 'ERR_CONNECT' | 'ERR_TLS' | 'ERR_TIMEOUT' | 'ERR_NETWORK' | 'ERR_INVALID_URL'
  >
  readonly sent: 'no' | 'maybe'
}

const unresolved = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME', 'ENODATA'])

const unconnected = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** Raised by `connect` before a byte leaves, but also by later calls on a live socket. */
const unconnectedInConnect = new Set(['ETIMEDOUT', 'EACCES', 'EPERM', 'ECONNRESET'])

/** What OpenSSL calls a certificate it does not accept; found out before the request is written. */
const certificate = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'CERT_SIGNATURE_FAILURE',
  'CRL_SIGNATURE_FAILURE',
  'CERT_NOT_YET_VALID',
  'CERT_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_HAS_EXPIRED',
  'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  'ERROR_IN_CERT_NOT_AFTER_FIELD',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_CHAIN_TOO_LONG',
  'CERT_REVOKED',
  'INVALID_CA',
  'PATH_LENGTH_EXCEEDED',
  'INVALID_PURPOSE',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'HOSTNAME_MISMATCH',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_TLS_CERT_ALTNAME_FORMAT',
])

/** Other OpenSSL failures that end a handshake. A record error later on is not among them. */
const handshake =
  /^ERR_SSL_(WRONG_VERSION_NUMBER|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|DH_KEY_TOO_SMALL|EE_KEY_TOO_SMALL|CERTIFICATE_VERIFY_FAILED|\w*ALERT_(HANDSHAKE_FAILURE|PROTOCOL_VERSION|INSUFFICIENT_SECURITY|UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_\w+|NO_APPLICATION_PROTOCOL)|\w*UNRECOGNIZED_NAME)$/

const timedOut = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])

/**
 * Reads the error of a `fetch` that gave no response. Browsers and unknown runtimes say too little, and then
 * the answer is `maybe`: DNS, CORS and a reset after the last byte look alike there.
 */
export function classifyNetworkFailure(error: unknown): NetworkFailure {
  for (const link of causes(error)) {
    const found = classifyOne(link)
    if (found !== undefined) return found
  }
  return { code: 'ERR_NETWORK', sent: 'maybe' }
}

function classifyOne(error: object): NetworkFailure | undefined {
  const code = text(error, 'code')
  const message = text(error, 'message')
  if (unresolved.has(code)) return { code: 'ERR_DNS', sent: 'no' }
  if (unconnected.has(code)) return { code: 'ERR_CONNECT', sent: 'no' }
  if (unconnectedInConnect.has(code) && text(error, 'syscall') === 'connect') {
    return { code: 'ERR_CONNECT', sent: 'no' }
  }
  if (certificate.has(code) || handshake.test(code)) return { code: 'ERR_TLS', sent: 'no' }
  // Node's words for a peer that hangs up during the handshake; the code is a bare ECONNRESET.
  if (message.includes('before secure TLS connection was established')) return { code: 'ERR_TLS', sent: 'no' }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) return { code: 'ERR_TLS', sent: 'maybe' }
  if (timedOut.has(code)) return { code: 'ERR_TIMEOUT', sent: 'maybe' }
  // Ports that the Fetch standard blocks; undici gives no code.
  if (message === 'bad port') return { code: 'ERR_INVALID_URL', sent: 'no' }
  return undefined
}

/** The error, its causes and the members of aggregates, outermost first. Bounded: a chain may be a ring. */
function causes(error: unknown): readonly object[] {
  const found: object[] = []
  const open: unknown[] = [error]
  while (open.length > 0 && found.length < 20) {
    const next = open.shift()
    if (typeof next !== 'object' || next === null || found.includes(next)) continue
    found.push(next)
    if ('cause' in next) open.push(next.cause)
    if ('errors' in next && Array.isArray(next.errors)) open.push(...next.errors)
  }
  return found
}

/** Scheme, credentials, host with path, then query and fragment. */
const quotedUrl = /(https?:\/\/)(?:[^\s/?#@]*@)?([^\s?#]*)(?:[?#]\S*)?/gi

function text(error: object, member: string): string {
  const value: unknown = Reflect.get(error, member)
  return typeof value === 'string' ? value : ''
}

/**
 * The part of a platform's error that may be kept: words, codes and causes. Some carry what came over the wire in
 * members of their own, and the words of some quote the URL of the request.
 */
export function bareCause(error: unknown, depth = 0): Error | undefined {
  if (typeof error !== 'object' || error === null || depth > 4) return undefined
  const cause = 'cause' in error ? bareCause(error.cause, depth + 1) : undefined
  const words = text(error, 'message').replace(quotedUrl, '$1$2')
  const bare = new Error(words, cause === undefined ? undefined : { cause })
  const facts = ['name', 'code', 'syscall'].map((member) => [member, text(error, member)] as const)
  return Object.assign(bare, Object.fromEntries(facts.filter(([, value]) => value !== '')))
}
