import { AuthError, type AuthErrorCode } from '../errors.js'
import type { AuthProfile } from '../types.js'
import { isAbortError } from './abort.js'
import type { Answer } from './exchange.js'
import { isRecord, parseJsonObject, parseLenientJsonObject, stringMember, type JsonRecord } from './json.js'
import { cleanOAuthError, cleanText, safeCause } from './redact.js'
import { retryAfterMs } from './retry-after.js'
import { displayUrl } from './url.js'

const passingErrors = new Set(['temporarily_unavailable', 'server_error', 'slow_down'])

export function isPassingStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500
}

/** Of a GET that was not answered with what was asked for: try later, or what `otherwise` says. */
export function notServed(
  url: URL,
  status: number,
  lack: string,
  otherwise: { readonly code: AuthErrorCode; readonly hint: string },
): AuthError {
  const { code, hint } = isPassingStatus(status)
    ? ({ code: 'ERR_AUTH_UNREACHABLE', hint: 'Try later.' } as const)
    : otherwise
  return new AuthError(code, `GET ${displayUrl(url)} answered ${status} ${lack}`, { hint, status })
}

export function parseAnswer(answer: Answer, profile: AuthProfile): JsonRecord | undefined {
  if (!answer.complete) return undefined
  return profile === 'c3-pro' ? parseLenientJsonObject(answer.text) : parseJsonObject(answer.text)
}

/** What a server said went wrong, cleaned for an error message. */
export interface ServerComplaint {
  readonly oauthError: string | undefined
  readonly text: string
}

/** Reads the OAuth error of an answer; C3-PRO's single-quoted `{'error':'…'}` counts as text only. */
export function readComplaint(body: JsonRecord | undefined, secrets: readonly string[]): ServerComplaint {
  const oauthError = cleanOAuthError(body?.['error'], secrets)
  const description = body === undefined ? undefined : stringMember(body, 'error_description')
  const raw = body?.['error']
  const shown = oauthError ?? (typeof raw === 'string' ? cleanText(raw, secrets) : '')
  const detail = description === undefined ? '' : cleanText(description, secrets)
  return { oauthError, text: [shown, detail].filter((part) => part !== '').join(': ') }
}

/** The endpoints that a client authenticates at, as messages name them. */
export type EndpointName = 'token' | 'revocation' | 'introspection'

export interface FailureContext {
  readonly endpoint: EndpointName
  readonly where: string
  readonly profile: AuthProfile
  readonly secrets: readonly string[]
  readonly now: number
}

/** Says what a refused request means: try later, or a person must act. */
export function tokenFailure(answer: Answer, context: FailureContext): AuthError {
  const body = parseAnswer(answer, context.profile)
  const { oauthError, text } = readComplaint(body, context.secrets)
  const { status } = answer
  const said = text === '' ? '' : ` (${text})`
  const message = `${context.where} refused the ${context.endpoint} request with ${status}${said}`
  const passing = isPassingStatus(status) || (oauthError !== undefined && passingErrors.has(oauthError))
  // Without an OAuth error a 4xx may come from anything on the way, and an outage: only 401 is about us.
  const final = !passing && (oauthError !== undefined || status === 401)
  return new AuthError(final ? 'ERR_LOGIN_REQUIRED' : 'ERR_AUTH_UNREACHABLE', message, {
    hint: final
      ? hintFor(oauthError, clockError(answer.headers, context.now))
      : notEndpointHint(context.endpoint),
    status,
    oauthError,
    retryAfterMs: retryAfterMs(answer.headers, context.now),
  })
}

/** For answers that may come from anything on the way. */
export function notEndpointHint(endpoint: EndpointName): string {
  return `Try later; if it stays so, check that the address is the ${endpoint} endpoint.`
}

/** More than assertions bear, with a margin for the way of the answer. */
const tolerableMs = 120_000

/** By how many seconds this machine's clock is behind the server's; undefined when it is right, or nobody knows. */
function clockError(headers: Headers, now: number): number | undefined {
  // Browsers hide the header from other origins.
  const behindMs = Date.parse(headers.get('date') ?? '') - now
  return Math.abs(behindMs) > tolerableMs ? Math.round(behindMs / 1000) : undefined
}

function hintFor(oauthError: string | undefined, behind: number | undefined): string {
  switch (oauthError) {
    case 'invalid_scope':
      return 'Ask for scopes that the client is registered for.'
    case 'unauthorized_client':
    case 'unsupported_grant_type':
      return 'Have the client allowed to make this kind of request, or register it again.'
    case 'invalid_client':
    case undefined:
      if (behind !== undefined) {
        return `This machine's clock is ${Math.abs(behind)} seconds ${behind > 0 ? 'behind' : 'ahead of'} the server's: set it.`
      }
      return 'Check client id, secret or key, and the clock of this machine; register the client again if the server has forgotten it.'
    default:
      return 'Check the settings of this client at the authorization server.'
  }
}

/** Gives any failure inside getToken one of the two codes that callers act on. */
export function asTokenError(error: unknown): unknown {
  if (isAbortError(error)) return error
  if (!(error instanceof AuthError)) {
    // A foreign error that follows the contract, for instance from a key service that is out of reach.
    const code = isRecord(error) ? error['code'] : undefined
    const login = code === 'ERR_LOGIN_REQUIRED'
    return new AuthError(
      login ? 'ERR_LOGIN_REQUIRED' : 'ERR_AUTH_UNREACHABLE',
      'Getting a token failed before the request could be sent',
      {
        hint: login
          ? 'See the cause: the given callback asks for a person.'
          : 'Try later; if it stays so, see the cause.',
        cause: safeCause(error),
      },
    )
  }
  switch (error.code) {
    case 'ERR_AUTH_UNREACHABLE':
    case 'ERR_LOGIN_REQUIRED':
      return error
    case 'ERR_DISCOVERY_FAILED':
    case 'ERR_CREDENTIALS_UNWRITABLE':
      return wrap('ERR_AUTH_UNREACHABLE', error)
    default:
      return wrap('ERR_LOGIN_REQUIRED', error)
  }
}

function wrap(code: 'ERR_AUTH_UNREACHABLE' | 'ERR_LOGIN_REQUIRED', error: AuthError): AuthError {
  const { message, hint, status, oauthError } = error
  return new AuthError(code, message, { hint, status, oauthError, cause: error })
}
