/** Every code that this package rejects with; storage, client and token errors pass through with their own. */
export type DataQueueErrorCode =
  | 'ERR_INVALID_RESOURCE'
  | 'ERR_INVALID_BUNDLE'
  | 'ERR_INVALID_KEY'
  | 'ERR_CANNOT_ENCRYPT'
  | 'ERR_ENTRY_TOO_LARGE'
  | 'ERR_ENTRY_FORMAT'

/** An error of the data queue. Recognise it by `code`; messages may change. */
export class DataQueueError extends Error {
  override readonly name = 'DataQueueError'
  readonly code: DataQueueErrorCode
  /** The way out, in one sentence. */
  readonly hint: string

  constructor(code: DataQueueErrorCode, message: string, options: { hint: string; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }
}
