import { describe, expect, it } from 'vitest'
import { classifyNetworkFailure } from '../src/index.js'

function fetchFailed(cause: unknown): Error {
  return Object.assign(new TypeError('fetch failed'), { cause })
}

function system(code: string, more: object = {}): Error {
  return Object.assign(new Error(code), { code, ...more })
}

describe('classifyNetworkFailure', () => {
  it.each([
    ['ENOTFOUND', 'ERR_DNS', 'no'],
    ['EAI_AGAIN', 'ERR_DNS', 'no'],
    ['ECONNREFUSED', 'ERR_CONNECT', 'no'],
    ['EHOSTUNREACH', 'ERR_CONNECT', 'no'],
    ['ENETUNREACH', 'ERR_CONNECT', 'no'],
    ['UND_ERR_CONNECT_TIMEOUT', 'ERR_CONNECT', 'no'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS', 'no'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'ERR_TLS', 'no'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_TLS', 'no'],
    ['CERT_HAS_EXPIRED', 'ERR_TLS', 'no'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_TLS', 'no'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_TLS', 'no'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'ERR_TLS', 'no'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'ERR_TLS', 'no'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'ERR_TLS', 'no'],
    ['ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', 'ERR_TLS', 'maybe'],
    ['UND_ERR_HEADERS_TIMEOUT', 'ERR_TIMEOUT', 'maybe'],
    ['UND_ERR_BODY_TIMEOUT', 'ERR_TIMEOUT', 'maybe'],
    ['UND_ERR_SOCKET', 'ERR_NETWORK', 'maybe'],
    ['ECONNRESET', 'ERR_NETWORK', 'maybe'],
    ['EPIPE', 'ERR_NETWORK', 'maybe'],
    ['ETIMEDOUT', 'ERR_NETWORK', 'maybe'],
    ['HPE_INVALID_CONSTANT', 'ERR_NETWORK', 'maybe'],
  ])('%s is %s, sent: %s', (cause, code, sent) => {
    expect(classifyNetworkFailure(fetchFailed(system(cause)))).toEqual({ code, sent })
    expect(classifyNetworkFailure(system(cause))).toEqual({ code, sent })
  })

  it.each(['ETIMEDOUT', 'ECONNRESET', 'EACCES'])('%s of connect means that nothing left', (code) => {
    const failure = classifyNetworkFailure(fetchFailed(system(code, { syscall: 'connect' })))
    expect(failure).toEqual({ code: 'ERR_CONNECT', sent: 'no' })
    expect(classifyNetworkFailure(fetchFailed(system(code, { syscall: 'read' }))).sent).toBe('maybe')
  })

  it('looks into the addresses that were tried', () => {
    const both = new AggregateError([system('ECONNREFUSED'), system('ECONNREFUSED')], '')
    expect(classifyNetworkFailure(fetchFailed(both))).toEqual({ code: 'ERR_CONNECT', sent: 'no' })
  })

  it.each([new TypeError('Failed to fetch'), new TypeError('Load failed'), undefined, null, 'x', 0])(
    'knows nothing of %s',
    (error) => {
      expect(classifyNetworkFailure(error)).toEqual({ code: 'ERR_NETWORK', sent: 'maybe' })
    },
  )

  it('survives a ring of causes', () => {
    const ring = new Error('a')
    ring.cause = fetchFailed(ring)
    expect(classifyNetworkFailure(ring)).toEqual({ code: 'ERR_NETWORK', sent: 'maybe' })
  })
})
