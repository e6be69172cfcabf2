import { AuthError, type Fetch } from '@fhir-outbox/smart-auth'

export interface Sent {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly form: URLSearchParams
  readonly redirect: string
  readonly credentials: string
  readonly signal: AbortSignal
}

export interface FakeFetch {
  readonly fetch: Fetch
  readonly sent: readonly Sent[]
}

/** A sender that records every request and answers from a function; `n` counts from 0. */
export function fakeFetch(answer: (sent: Sent, n: number) => Response | Promise<Response>): FakeFetch {
  const sent: Sent[] = []
  return {
    sent,
    fetch: async (url, init) => {
      const { method, headers, redirect, credentials, signal } = init
      const body = init.body ?? ''
      const form = new URLSearchParams(body)
      const request = { url, method, headers, body, form, redirect, credentials, signal }
      return answer(request, sent.push(request) - 1)
    },
  }
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  })
}

export function token(value: string, more: Record<string, unknown> = {}): Response {
  return json({ access_token: value, token_type: 'Bearer', expires_in: 300, ...more })
}

/** The AuthError a promise rejects with; anything else fails the test. */
export async function failure(promise: Promise<unknown>): Promise<AuthError> {
  const error = await promise.then(
    () => new Error('it resolved'),
    (reason: unknown) => reason,
  )
  if (error instanceof AuthError) return error
  throw new Error('expected a rejection with an AuthError', { cause: error })
}

export function thrown(run: () => unknown): AuthError {
  try {
    run()
  } catch (error) {
    if (error instanceof AuthError) return error
    throw error
  }
  throw new Error('it did not throw')
}

/** A promise to be settled by hand. */
export function deferred<T>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: unknown) => void
} {
  let resolve: (value: T) => void = () => undefined
  let reject: (error: unknown) => void = () => undefined
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  return { promise, resolve, reject }
}
