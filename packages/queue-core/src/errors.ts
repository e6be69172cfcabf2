/** Every code that this package and the adapters written against it reject with. */
export type QueueErrorCode =
  | 'ERR_INVALID_ENTRY'
  | 'ERR_QUEUE_FULL'
  | 'ERR_STORAGE_CLOSED'
  | 'ERR_STORAGE_FAILED'
  | 'ERR_STORAGE_LOCKED'
  | 'ERR_STORAGE_FORMAT'
  | 'ERR_LEASE_LOST'
  | 'ERR_NO_SUCH_ENTRY'
  | 'ERR_WRONG_STATE'
  | 'ERR_NOTE_CONFLICT'
  | 'ERR_KEY_LOCKED'
  | 'ERR_NOT_EMPTY'
  | 'ERR_UNSUPPORTED'
  | 'ERR_OUTBOX_STOPPED'

/** An error of the queue or of a storage adapter. Recognise it by `code`; messages may change. */
export class QueueError extends Error {
  override readonly name = 'QueueError'
  readonly code: QueueErrorCode
  /** The way out, in one sentence. */
  readonly hint: string

  constructor(code: QueueErrorCode, message: string, options: { hint: string; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }
}

export function noSuchEntry(sequence: number): QueueError {
  return new QueueError('ERR_NO_SUCH_ENTRY', `there is no entry ${sequence}`, {
    hint: 'It never existed, or it was settled longer ago than settled entries are kept.',
  })
}
