/** Every code that this package rejects with; storage, client and token errors pass through with their own. */
export type DataQueueErrorCode =
  | 'ERR_INVALID_RESOURCE'
  | 'ERR_INVALID_BUNDLE'
  | 'ERR_INVALID_KEY'
  | 'ERR_INVALID_OPTION'
  | 'ERR_CANNOT_ENCRYPT'
  | 'ERR_STORAGE_NOT_SEALED'
  | 'ERR_ENTRY_TOO_LARGE'
  | 'ERR_ENTRY_FORMAT'
  | 'ERR_UNRESOLVED_REFERENCE'
  | 'ERR_LANE_AMBIGUOUS'

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
