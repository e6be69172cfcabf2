import { expect } from 'vitest'
import { isFhirError, type FhirError } from '../../src/index.js'

/** The `FhirError` a promise rejects with; fails when it does anything else. */
export async function failureOf(promise: Promise<unknown>): Promise<FhirError> {
  const error = await rejectionOf(promise)
  if (!isFhirError(error)) throw error
  return error
}

/** What a promise rejects with; fails when it resolves. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  const settled = await promise.then(
    () => ({ rejected: false, error: undefined as unknown }),
    (error: unknown) => ({ rejected: true, error }),
  )
  expect(settled.rejected).toBe(true)
  return settled.error
}

/** Everything a logger could print of an error, its causes included. */
export function printed(error: unknown): string {
  const parts: string[] = []
  let next: unknown = error
  while (typeof next === 'object' && next !== null && parts.length < 10) {
    const one = next as { message?: unknown; stack?: unknown; cause?: unknown }
    parts.push(String(one.message), String(one.stack), JSON.stringify(Object.assign({}, next)))
    next = one.cause
  }
  return parts.join('\n')
}
