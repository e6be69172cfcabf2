import { invalid } from './conditions.js'
import { call, callUrl, type ClientContext } from './context.js'
import { FhirError, isFhirError, requestAborted } from './errors.js'
import { jobResult, jobState } from './async-dialects.js'
import { statusUrlOf } from './links.js'
import type { CallOptions, FhirRequest } from './request.js'
import type { FhirResponse } from './response.js'
import { maxTimerMs } from './deadline.js'
import { isRecord } from './resources.js'

/** A request the server is working on. Plain JSON: store it, and go on after a restart or in another process. */
export interface AsyncJob {
  readonly format: 1
  /** Where the server tells how far it is. Opaque, and as good as a key to the result: store it like one. */
  readonly statusUrl: string
  readonly method: string
  /** URL path of the request, without its query. */
  readonly path: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** The request was a Bundle, and its answer is one. */
  readonly isBundle?: true
  readonly cancelRequested?: true
}

/** What is known of an asynchronous request. */
export type AsyncStep =
  | {
      readonly state: 'pending'
      readonly job: AsyncJob
      /** The server's own words, e.g. of `X-Progress`. */
      readonly progress?: string
      /** How long the server asks to wait before the next look, in milliseconds. */
      readonly retryAfterMs?: number
    }
  | AsyncDone

/** The end of an asynchronous request. */
export interface AsyncDone {
  readonly state: 'done'
  /** `true`: the server answered at once, as if nothing else had been asked for. */
  readonly synchronous: boolean
  /** What the request would have been answered with, the envelope of the asynchronous pattern taken off. */
  readonly response: FhirResponse
}

/** Options of `jobs.wait`. */
export interface WaitOptions extends CallOptions {
  /** Rejects with `ERR_TIMEOUT` when the job takes longer, in milliseconds. Default: 1 hour. */
  readonly maxWaitMs?: number | undefined
  /** Pause before the second look, in milliseconds; it grows from there. Default: 1,000. */
  readonly minPauseMs?: number | undefined
  /** Longest pause the client makes of its own accord, in milliseconds. Default: 30,000. */
  readonly maxPauseMs?: number | undefined
  /** Told after every look. */
  readonly onPoll?: ((step: AsyncStep) => void) | undefined
}

/** What became of a wish to cancel. Work that was under way may have been applied all the same. */
export type CancelOutcome = 'requested' | 'too-late' | 'gone'

/** What `jobs.cancel` found, and the job as it is to be stored from now on. */
export interface Cancellation {
  readonly outcome: CancelOutcome
  readonly job: AsyncJob
}

/**
 * Sends a request with `Prefer: respond-async`. A server may answer at once instead, and says nothing about it:
 * the status decides.
 */
export async function respondAsync(context: ClientContext, request: FhirRequest): Promise<AsyncStep> {
  if (request.prefer !== undefined) {
    // Medplum answers synchronously when the header says anything besides.
    throw invalid('`respond-async` does not go together with another preference.')
  }
  const startedAt = context.now()
  const headers = { ...request.headers, prefer: 'respond-async' }
  const response = await call(context, { ...request, headers })
  if (response.status !== 202) return { state: 'done', synchronous: true, response }
  const { method } = request
  const path = context.base.path + `/${request.path.replace(/^\//, '')}`.replace(/\?.*$/s, '')
  const statusUrl = statusUrlOf(context.base, context.rebaseLinks, response)
  if (statusUrl === undefined) {
    throw new FhirError(
      'ERR_ASYNC_NO_STATUS',
      `${method} ${path} is being worked on, but not where to ask.`,
      {
        method,
        path,
        status: 202,
        sent: 'yes',
      },
    )
  }
  const isBundle = method.toUpperCase() === 'POST' && /^\/?$/.test(request.path)
  const job: AsyncJob = {
    format: 1,
    statusUrl: statusUrl.href,
    method: method.toUpperCase(),
    path,
    startedAt,
    ...(isBundle ? { isBundle } : {}),
  }
  return pending(job, response)
}

/**
 * Looks once. Rejects with `ERR_ASYNC_FAILED` when the job failed, with the status and issues its request would
 * have been answered with, and with `ERR_ASYNC_GONE` when the server knows it no more.
 */
export async function pollJob(
  context: ClientContext,
  job: AsyncJob,
  options: CallOptions,
): Promise<AsyncStep> {
  const url = checkedUrl(context, job)
  let response: FhirResponse
  try {
    response = await callUrl(context, url, options, { expect: 'any' })
  } catch (error) {
    throw isFhirError(error) && (error.status === 404 || error.status === 410) ? gone(job, error) : error
  }
  const state = jobState(response)
  if (state.kind === 'pending') return pending(job, response, state.progress)
  const about = { method: job.method, path: job.path, sent: 'yes' } as const
  if (state.kind === 'cancelled') {
    throw new FhirError('ERR_ASYNC_GONE', `${job.method} ${job.path} was cancelled.`, {
      ...about,
      sent: 'maybe',
    })
  }
  const result = await jobResult(state, response, job.isBundle === true, (reference) =>
    call(context, { ...options, method: 'GET', path: reference, expect: 'any' }),
  )
  if ('failure' in result) {
    throw new FhirError('ERR_ASYNC_FAILED', `${job.method} ${job.path} failed while it was worked on.`, {
      ...about,
      ...result.failure,
    })
  }
  return { state: 'done', synchronous: false, response: result.response }
}

/**
 * Looks until the job is done. Passing trouble (no network, no authorization server, 429, 5xx, a job on hold) is
 * waited out; everything else rejects as `pollJob` does. Giving up leaves the job running: `jobs.cancel` ends it.
 */
export async function waitForJob(
  context: ClientContext,
  job: AsyncJob,
  options: WaitOptions,
): Promise<AsyncDone> {
  const { maxWaitMs = 3_600_000, minPauseMs = 1000, maxPauseMs = 30_000, onPoll, ...callOptions } = options
  if (!(maxWaitMs > 0 && minPauseMs >= 0 && maxPauseMs >= minPauseMs))
    throw invalid('The limits of a wait are none.')
  // A steady clock: devices set theirs right in the middle of a wait.
  const endsAt = performance.now() + maxWaitMs
  for (let pauseMs = minPauseMs; ; pauseMs = Math.min(Math.max(pauseMs, 1) * 2, maxPauseMs)) {
    let asked: number | undefined
    try {
      const step = await pollJob(context, job, callOptions)
      onPoll?.(step)
      if (step.state === 'done') return step
      asked = step.retryAfterMs
    } catch (error) {
      const passing = passingTrouble(error)
      if (passing === undefined) throw error
      asked = passing.retryAfterMs
    }
    // Between half and the whole of it, so that many clients do not come back together.
    const own = pauseMs * (0.5 + context.random() / 2)
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0) {
      const { method, path } = job
      throw new FhirError('ERR_TIMEOUT', `${method} ${path} is still being worked on.`, {
        method,
        path,
        sent: 'yes',
      })
    }
    await pause(Math.min(Math.max(own, asked ?? 0), leftMs, maxTimerMs), options.signal)
  }
}

/** Asks the server to stop. Store the job that comes with it, so that a later look knows. */
export async function cancelJob(
  context: ClientContext,
  job: AsyncJob,
  options: CallOptions,
): Promise<Cancellation> {
  const cancelled: AsyncJob = { ...job, cancelRequested: true }
  try {
    await callUrl(context, checkedUrl(context, job), options, { method: 'DELETE', expect: 'any' })
    return { outcome: 'requested', job: cancelled }
  } catch (error) {
    if (!isFhirError(error)) throw error
    if (error.status === 409) return { outcome: 'too-late', job }
    if (error.status === 404 || error.status === 410) return { outcome: 'gone', job: cancelled }
    throw error
  }
}

function pending(job: AsyncJob, response: FhirResponse, said?: string): AsyncStep {
  const progress = said ?? response.headers['x-progress']
  return {
    state: 'pending',
    job,
    ...(progress === undefined ? {} : { progress }),
    ...(response.retryAfterMs === undefined ? {} : { retryAfterMs: response.retryAfterMs }),
  }
}

/** A stored record is a border: what it says is checked before a token goes there. */
function checkedUrl(context: ClientContext, job: unknown): URL {
  const text = isRecord(job) && job['format'] === 1 ? job['statusUrl'] : undefined
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) throw invalid('The job is none of this client.')
  if (url.origin !== context.base.origin) throw invalid('The job belongs to another server.')
  return url
}

function gone(job: AsyncJob, cause: FhirError): FhirError {
  const { method, path } = job
  const why = job.cancelRequested === true ? 'was cancelled' : 'is not known to the server any more'
  return new FhirError('ERR_ASYNC_GONE', `${method} ${path} ${why}.`, {
    method,
    path,
    sent: 'maybe',
    issues: cause.issues,
    ...(cause.status === undefined ? {} : { status: cause.status }),
    cause,
  })
}

const passingCodes = new Set(['ERR_DNS', 'ERR_CONNECT', 'ERR_NETWORK', 'ERR_TIMEOUT', 'ERR_TRUNCATED'])

/** A look changes nothing, so it may be repeated whatever became of it. 500 is how Blaze says "on hold". */
function passingTrouble(error: unknown): { readonly retryAfterMs?: number | undefined } | undefined {
  if (isFhirError(error)) {
    const passes =
      passingCodes.has(error.code) || (error.code === 'ERR_HTTP' && passingStatus(error.status ?? 0))
    return passes ? error : undefined
  }
  // What a `TokenSource` rejects with while its server is away.
  if (!(error instanceof Error) || Reflect.get(error, 'code') !== 'ERR_AUTH_UNREACHABLE') return undefined
  const wait: unknown = Reflect.get(error, 'retryAfterMs')
  // Not a number that is none: it would make a pause of nothing.
  return { retryAfterMs: typeof wait === 'number' && wait > 0 ? wait : undefined }
}

function passingStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501)
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(requestAborted('yes', signal?.reason))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    if (signal?.aborted === true) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}
