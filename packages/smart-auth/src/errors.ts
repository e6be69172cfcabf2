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

/** What an `AuthError` may carry besides its code and message. */
export interface AuthErrorOptions {
  readonly hint: string
  readonly cause?: unknown
  readonly status?: number | undefined
  readonly oauthError?: string | undefined
  readonly retryAfterMs?: number | undefined
}

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

  constructor(code: AuthErrorCode, message: string, options: AuthErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    if (options.status !== undefined) this.status = options.status
    if (options.oauthError !== undefined) this.oauthError = options.oauthError
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
  }
}
