import { QueueError } from '@fhir-outbox/queue-core'
import { systemCode } from './fs-port.js'

const WAYS_OUT: Readonly<Record<string, string>> = {
  EACCES: 'Give this user read and write access to the directory, or choose another one.',
  EPERM: 'Give this user read and write access to the directory, or choose another one.',
  EROFS: 'The file system is read-only: choose a directory on a writable one.',
  ENOSPC: 'Free disk space, then open the storage again.',
  EDQUOT: 'Free disk space within the quota, then open the storage again.',
  ENOTDIR: 'The path leads through a file: choose another directory.',
  EMFILE: 'Too many open files: raise the limit of the process, then open the storage again.',
  EIO: 'The disk reported an error: check it, then open the storage again.',
}

export function storageFailed(what: string, cause: unknown): QueueError {
  const code = systemCode(cause)
  const hint =
    (code === undefined ? undefined : WAYS_OUT[code]) ?? 'Check the disk, then open the storage again.'
  return new QueueError('ERR_STORAGE_FAILED', code === undefined ? what : `${what} (${code})`, {
    hint,
    cause,
  })
}

export function storageLocked(directory: string, holder: string): QueueError {
  return new QueueError('ERR_STORAGE_LOCKED', `${directory} is in use by ${holder}`, {
    hint: 'Only one process may use a storage directory: stop the other one, or choose another directory.',
  })
}

export function newerFormat(directory: string, version: number): QueueError {
  return new QueueError(
    'ERR_STORAGE_FORMAT',
    `${directory} was written in format ${version}, which is newer`,
    {
      hint: 'Nothing was changed. Open it with the version of the package that wrote it, or a newer one.',
    },
  )
}

export function notEmpty(directory: string): QueueError {
  return new QueueError('ERR_STORAGE_FAILED', `${directory} is not empty`, {
    hint: 'Nothing was changed. Choose a directory that does not exist yet, or an empty one.',
  })
}

export function unfinishedSalvage(directory: string): QueueError {
  return new QueueError('ERR_STORAGE_FAILED', `${directory} holds a salvage that was interrupted`, {
    hint: 'Remove it and salvage the damaged storage again; that one was not changed.',
  })
}

/** Gives every failure of an operation its code. */
export async function coded<T>(directory: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    if (error instanceof QueueError) throw error
    throw storageFailed(`reading from ${directory} failed`, error)
  }
}
