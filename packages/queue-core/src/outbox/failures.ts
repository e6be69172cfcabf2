import { QueueError } from '../errors.js'
import type { Failure } from '../transport-port.js'

const stableCode = /^[A-Z][A-Z0-9_]{2,63}$/

/** The `code` of an error of any kind or realm. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  const { code } = error
  return typeof code === 'string' && stableCode.test(code) ? code : undefined
}

/** A thrown value as a failure. Its message is left out: nobody knows what a foreign error quotes. */
export function failureOf(error: unknown, what: string, fallback: string): Failure {
  return { code: codeOf(error) ?? fallback, message: what }
}

export function stopped(): QueueError {
  return new QueueError('ERR_OUTBOX_STOPPED', 'the outbox was closed or stopped', {
    hint: 'What was accepted is kept by the storage; open an outbox on it again.',
  })
}

/** What a wait rejects with when its signal is aborted. */
export function abortError(): Error {
  return new DOMException('the wait was aborted', 'AbortError')
}
