/**
 * Codes of the errors this package throws at its caller. What the mock answers over HTTP is never thrown.
 */
export type MockServerErrorCode =
  /** An option has a value that makes no sense. */
  | 'ERR_MOCK_OPTIONS'
  /** A fault description is incomplete or contradictory. */
  | 'ERR_MOCK_FAULT'
  /** The fault cannot happen in this mode: the sockets it needs do not exist. */
  | 'ERR_MOCK_FAULT_MODE'
  /** The port could not be opened. */
  | 'ERR_MOCK_LISTEN'
  /** The text given to `restore` is no export of this package. */
  | 'ERR_MOCK_STATE'

/** The one error class of this package; recognise it by `code`. */
export class MockServerError extends Error {
  override readonly name = 'MockServerError' as const
  readonly code: MockServerErrorCode
  /** One sentence on the way out. */
  readonly hint: string

  constructor(code: MockServerErrorCode, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
  }
}
