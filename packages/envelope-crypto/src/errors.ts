/** Every code that this package rejects with or throws. */
export type EnvelopeErrorCode =
  // arguments
  | 'ERR_INVALID_OPTION'
  | 'ERR_EMPTY_KEY_ID'
  | 'ERR_INVALID_KEY_ID'
  | 'ERR_DUPLICATE_KEY_ID'
  | 'ERR_TOO_LARGE'
  // reading keys and certificates
  | 'ERR_INVALID_RECIPIENT'
  | 'ERR_INVALID_OPENING_KEY'
  | 'ERR_PRIVATE_KEY_GIVEN'
  | 'ERR_CERTIFICATE_EXPIRED'
  | 'ERR_CERTIFICATE_NOT_YET_VALID'
  | 'ERR_WEAK_KEY'
  | 'ERR_UNSUPPORTED_KEY'
  | 'ERR_KEY_USAGE'
  | 'ERR_NO_VALID_RECIPIENT'
  | 'ERR_KEYS_UNREACHABLE'
  // opening
  | 'ERR_INVALID_ENVELOPE'
  | 'ERR_KEY_LOCKED'
  | 'ERR_WRONG_PASSPHRASE'
  | 'ERR_KEY_FILE_OPEN'
  | 'ERR_UNKNOWN_KEY'
  | 'ERR_KEY_LOOKUP_FAILED'
  | 'ERR_OPEN_FAILED'
  | 'ERR_WRONG_ENTRY'
  // the platform
  | 'ERR_SEAL_FAILED'
  | 'ERR_CRYPTO_UNAVAILABLE'

/**
 * An error of this package. Recognise it by `code`; messages may change. Neither message nor cause ever carries key
 * material, plaintext or ciphertext.
 */
export class EnvelopeError extends Error {
  override readonly name = 'EnvelopeError'
  readonly code: EnvelopeErrorCode
  /** The way out, in one sentence. */
  readonly hint: string

  constructor(code: EnvelopeErrorCode, message: string, options: { hint: string; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }
}
