/** Every code that this package rejects with. */
export type AuthErrorCode =
  | 'ERR_AUTH_UNREACHABLE'
  | 'ERR_LOGIN_REQUIRED'
  | 'ERR_DISCOVERY_FAILED'
  | 'ERR_REGISTRATION_FAILED'
  | 'ERR_INSECURE_URL'
  | 'ERR_WRONG_ORIGIN'
  | 'ERR_INVALID_OPTIONS'
  | 'ERR_INVALID_KEY'
  | 'ERR_CREDENTIALS_UNREADABLE'
  | 'ERR_CREDENTIALS_UNWRITABLE'
  | 'ERR_LAUNCH_REFUSED'
  | 'ERR_CALLBACK_REFUSED'
  | 'ERR_AUTHORIZATION_REFUSED'
  | 'ERR_ID_TOKEN_REFUSED'
  | 'ERR_NO_SINGLE_PATIENT'

/** What an `AuthError` may carry besides its code and message. */
export interface AuthErrorOptions {
  readonly hint: string
  readonly cause?: unknown
  readonly status?: number | undefined
  readonly oauthError?: string | undefined
  readonly retryAfterMs?: number | undefined
  readonly arrived?: 'no' | 'maybe' | undefined
  readonly scopes?: ScopesInError | undefined
}

/** What an authorization server was asked for, and what it says it offers. */
export interface ScopesInError {
  readonly asked: readonly string[]
  /** Absent when the server does not say. */
  readonly offered?: readonly string[]
}

const facts = ['status', 'oauthError', 'retryAfterMs', 'arrived', 'scopes'] as const

/**
 * An error of authorization. Recognise it by `code`; messages may change. It never carries a token, a
 * secret, an assertion, a receipt, a body or a query string.
 */
export class AuthError extends Error {
  override readonly name = 'AuthError'
  readonly code: AuthErrorCode
  /** The way out, in one sentence. */
  readonly hint: string
  /** HTTP status of the answer, when there was one. */
  declare readonly status?: number
  /** The `error` member of an OAuth error answer, for instance `invalid_client`. */
  declare readonly oauthError?: string
  /** How long the server asked to wait, in milliseconds. */
  declare readonly retryAfterMs?: number
  /** Whether a request that got no usable answer may have had its effect at the server. */
  declare readonly arrived?: 'no' | 'maybe'
  /** After a refused authorization: the scopes. */
  declare readonly scopes?: ScopesInError

  constructor(code: AuthErrorCode, message: string, options: AuthErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    for (const name of facts) {
      if (options[name] !== undefined) Object.assign(this, { [name]: options[name] })
    }
  }
}
