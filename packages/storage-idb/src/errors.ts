import { QueueError, queueFull, type QueueErrorCode } from '@fhir-outbox/queue-core'

function refusal(code: QueueErrorCode, message: string, hint: string, cause?: unknown): QueueError {
  return new QueueError(code, message, { hint, cause })
}

const untouched = 'Nothing was changed.'

export function unsupported(cause?: unknown): QueueError {
  return refusal(
    'ERR_UNSUPPORTED',
    'there is no IndexedDB here, or this page may not use it',
    'Allow site data for this page, leave the sandbox, or use a memory storage.',
    cause,
  )
}

export function blockedByOldTab(name: string): QueueError {
  return refusal(
    'ERR_STORAGE_LOCKED',
    `another tab keeps the database ${name} from being upgraded`,
    'Close or reload the other tabs of this application, and open the storage again.',
  )
}

export function newerFormat(name: string, cause?: unknown): QueueError {
  return refusal(
    'ERR_STORAGE_FORMAT',
    `the database ${name} was written in a newer format`,
    `${untouched} Reload the page to get the newer version of the application.`,
    cause,
  )
}

export function foreignDatabase(name: string): QueueError {
  return refusal(
    'ERR_STORAGE_FORMAT',
    `the database ${name} is not an outbox, or has a layout that was never released`,
    `${untouched} Choose a name that nothing else uses.`,
  )
}

export function movedOn(): QueueError {
  return refusal(
    'ERR_STORAGE_CLOSED',
    'a newer version of the application needs the database',
    'Reload the page. Everything accepted is in the database.',
  )
}

export function takenAway(): QueueError {
  return refusal(
    'ERR_STORAGE_FAILED',
    'the database was taken away',
    'Site data was deleted or evicted, or the disk failed: open it again and see what is left.',
  )
}

export function unreadable(): QueueError {
  return refusal(
    'ERR_STORAGE_FAILED',
    'payloads of entries that stand beside this one cannot be read, and would be lost',
    `${untouched} Try again later, or discard this one and append its correction as a new entry.`,
  )
}

/** What a caller gets for whatever IndexedDB threw. */
export function translated(error: unknown): unknown {
  if (error instanceof QueueError) return error
  const name = error instanceof Error ? error.name : ''
  if (name === 'QuotaExceededError') return queueFull('the browser grants this site no more storage', error)
  return refusal(
    'ERR_STORAGE_FAILED',
    name === '' ? 'the database refused' : `the database refused (${name})`,
    `${untouched} See the cause; reload the page or free disk space, then open the storage again.`,
    error,
  )
}
