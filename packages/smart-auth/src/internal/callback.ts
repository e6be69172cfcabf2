import { validateAuthResponse, type AuthorizationServer } from 'oauth4webapi'
import { AuthError } from '../errors.js'
import { splitScopes } from '../scopes.js'
import type { LoginTransaction } from './login-transaction.js'
import { cleanOAuthError, cleanText } from './redact.js'

export function callbackRefused(reason: string, hint = 'Log in again, from the app.'): AuthError {
  return new AuthError('ERR_CALLBACK_REFUSED', `The answer to the login ${reason}`, { hint })
}

/** What a server adds to the redirect address. */
export const answerParameters: readonly string[] = [
  'code',
  'state',
  'iss',
  'error',
  'error_description',
  'error_uri',
  'session_state',
]

/** What flows put there that have tokens in addresses. */
export const tokenParameters: readonly string[] = ['access_token', 'id_token', 'refresh_token', 'token_type']

/** Never asked for, so never taken. */
const leftovers = [...tokenParameters, 'response']

export interface Callback {
  readonly url: URL
  readonly state: string
}

/** Reads what came back, as far as it can be read before the login it belongs to is known. */
export function readCallback(callbackUrl: string): Callback {
  if (!URL.canParse(callbackUrl)) throw callbackRefused('is not a URL')
  const url = new URL(callbackUrl)
  const fragment = new URLSearchParams(url.hash.slice(1))
  for (const name of leftovers) {
    if (url.searchParams.has(name) || fragment.has(name)) throw callbackRefused('has a token in its address')
  }
  for (const name of ['code', 'state', 'iss', 'error']) {
    if (url.searchParams.getAll(name).length > 1) throw callbackRefused(`has ${name} twice`)
  }
  const state = url.searchParams.get('state')
  if (state === null || state === '') throw callbackRefused('has no state')
  return { url, state }
}

/** Scheme, host, port, path and own query, letter by letter. */
function isRedirect(url: URL, redirectUri: string): boolean {
  const came = new URL(url)
  came.hash = ''
  for (const name of answerParameters) {
    came.searchParams.delete(name)
  }
  const wanted = new URL(redirectUri)
  const parameters = (from: URL): string => [...from.searchParams].map(([k, v]) => `${k}=${v}`).join('&')
  return place(came) === place(wanted) && parameters(came) === parameters(wanted)
}

/** Custom schemes have no origin, so the parts are compared one by one. */
function place(url: URL): string {
  return `${url.protocol}//${url.username}:${url.password}@${url.host}${url.pathname}`
}

/** Holds the answer against the login it belongs to; gives what the code grant needs. */
export function checkCallback(
  { url }: Callback,
  transaction: LoginTransaction,
  now: number,
): URLSearchParams {
  if (now > transaction.expiresAt) throw callbackRefused('came too late')
  if (!isRedirect(url, transaction.redirectUri)) throw callbackRefused('came to another address')
  checkIssuer(url.searchParams.get('iss'), transaction)
  const error = url.searchParams.get('error')
  if (error !== null)
    throw authorizationRefused(error, url.searchParams.get('error_description'), transaction)
  if ((url.searchParams.get('code') ?? '') === '') throw callbackRefused('has no code')
  const { endpoints, clientId, state } = transaction
  const as: AuthorizationServer = {
    issuer: endpoints.issuer ?? new URL(endpoints.tokenEndpoint).origin,
    authorization_response_iss_parameter_supported: endpoints.namesIssuer === true,
  }
  try {
    return validateAuthResponse(as, { client_id: clientId }, url, state)
  } catch {
    // Its errors hold the parameters, code included.
    throw callbackRefused('is not well-formed')
  }
}

/**
 * The server that answers must be the one that was asked (RFC 9207): `iss` is compared with the issuer that was
 * pinned before, and never chooses a server.
 */
function checkIssuer(iss: string | null, { endpoints }: LoginTransaction): void {
  if (iss === null) {
    if (endpoints.namesIssuer === true)
      throw callbackRefused('does not name the server, which this one always does')
    return
  }
  if (endpoints.issuer === undefined) {
    throw callbackRefused(
      'names a server, and this one is not known by any name',
      'Give `issuer` when beginning the login, as the server writes it.',
    )
  }
  if (iss !== endpoints.issuer) throw callbackRefused('comes from another server')
}

function authorizationRefused(
  error: string,
  description: string | null,
  transaction: LoginTransaction,
): AuthError {
  const asked = splitScopes(transaction.scope)
  const offered = transaction.endpoints.scopesSupported
  const secrets = [transaction.state, transaction.codeVerifier]
  const oauthError = cleanOAuthError(error, secrets)
  const said = [oauthError ?? cleanText(error, secrets), cleanText(description ?? '', secrets)]
    .filter((part) => part !== '')
    .join(': ')
  return new AuthError('ERR_AUTHORIZATION_REFUSED', `The server refused the login (${said})`, {
    hint: hintFor(oauthError, asked, offered),
    oauthError,
    scopes: { asked, ...(offered === undefined ? {} : { offered }) },
  })
}

function hintFor(
  error: string | undefined,
  asked: readonly string[],
  offered: readonly string[] | undefined,
): string {
  if (error === 'access_denied')
    return 'The person, or the server on their behalf, said no. Log in again to ask again.'
  if (asked.includes('oidc')) return 'There is no scope "oidc": ask for "openid".'
  if (error === 'invalid_scope') {
    const unknown = offered === undefined ? [] : asked.filter((scope) => !offered.includes(scope))
    if (asked.includes('offline_access') && unknown.length === 0) {
      return 'Register the client for every scope it asks for, offline_access included; forget a registration that lacks one.'
    }
    return unknown.length === 0
      ? 'Register the client for every scope it asks for.'
      : `The server does not list ${unknown.join(' ')}; leave that out, or register the client for it.`
  }
  if (error === 'unauthorized_client' || error === 'invalid_client') {
    return 'The server does not know this client any more: forget the registration, then log in again.'
  }
  return 'Try again; if it stays so, check how the client is registered.'
}
