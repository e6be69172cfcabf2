import { None, type ClientAuth } from 'oauth4webapi'
import { AuthError } from '../errors.js'

/**
 * How id and secret are written into the Basic header. `raw` is the reading of the SMART guide's example,
 * `form` that of RFC 6749, section 2.3.1, which the C3-PRO server needs.
 */
export type BasicEncoding = 'raw' | 'form'

function formEncode(text: string): string {
  return new URLSearchParams({ v: text }).toString().slice(2)
}

function base64(text: string): string {
  let binary = ''
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte)
  return btoa(binary)
}

export interface SecretAuthOptions {
  readonly clientId: string
  readonly clientSecret: string
  readonly basicEncoding: BasicEncoding
  readonly secretIn: 'header' | 'body'
}

/** Authenticates a client by its secret. */
export function secretAuth(options: SecretAuthOptions): ClientAuth {
  const { clientId, clientSecret, basicEncoding, secretIn } = options
  if (secretIn === 'body') {
    return (_as, _client, body) => {
      body.set('client_id', clientId)
      body.set('client_secret', clientSecret)
    }
  }
  if (basicEncoding === 'raw' && clientId.includes(':')) {
    throw new AuthError('ERR_INVALID_OPTIONS', 'clientId contains a colon, which raw Basic cannot carry', {
      hint: "Use basicEncoding: 'form' or secretIn: 'body'.",
    })
  }
  const encode = basicEncoding === 'form' ? formEncode : (text: string): string => text
  const header = `Basic ${base64(`${encode(clientId)}:${encode(clientSecret)}`)}`
  return (_as, _client, _body, headers) => {
    headers.set('authorization', header)
  }
}

/** Authenticates a client by a signed assertion, made anew for each request (RFC 7523, section 2.2). */
export function assertionAuth(makeAssertion: () => Promise<string>): ClientAuth {
  return async (_as, _client, body) => {
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    body.set('client_assertion', await makeAssertion())
  }
}

/** A client that has no secret: it only says who it is. */
export const publicAuth: () => ClientAuth = None
