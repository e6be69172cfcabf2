import type { Call } from '../server/call.js'
import type { Job } from './job.js'
import type { Resource } from './model.js'
import { FhirProblem } from './problem.js'
import type { FhirProfile } from './profile.js'

// Medplum's way to answer a Bundle later: a job of its own resource type, and a result that lies at a Binary.

/** The work is done when it begins; that it is done is told later. */
export interface BundleJob {
  readonly id: string
  /** Of the Binary that the result is read from. */
  readonly resultId: string
  readonly result: Resource
  /** URL of the request. */
  readonly request: string
  readonly startedAt: number
  readonly cancelled: boolean
}

const mostBytes = 50 * 1024 * 1024

/** Whether a request is for such a job: nothing else may be preferred beside it. */
export function asksForBundleJob(profile: FhirProfile, { method, path, headers }: Call): boolean {
  const isBase = method === 'POST' && path.every((segment) => segment === '')
  return profile.async === 'bundles' && isBase && headers.get('prefer') === 'respond-async'
}

/** How long a body may be: a Bundle that is run later may be longer. */
export function mostBodyBytes(profile: FhirProfile, call: Call): number {
  return asksForBundleJob(profile, call) ? mostBytes : profile.maxBody.bytes
}

/** Runs the Bundle and answers 202. Throws what `run` throws, and for what must be done at once or not at all. */
export async function beginBundleJob(job: Job, run: () => Promise<Resource>): Promise<Response> {
  const { call, fhirBase, profile, jobs } = job
  const type = (job.bodyIfJson() as { readonly type?: unknown } | undefined)?.type
  if (type === 'transaction' && profile.transactions === 'atomic') {
    throw new FhirProblem(400, 'invalid', 'Transaction bundles cannot be executed asynchronously')
  }
  const id = job.newId()
  const url = `${fhirBase}/job/${id}/status`
  const result = await run()
  jobs.bundles.set(id, {
    id,
    resultId: job.newId(),
    result,
    request: fhirBase,
    startedAt: call.now,
    cancelled: false,
  })
  const issue = [
    { severity: 'information', code: 'informational', details: { text: 'Accepted' }, diagnostics: url },
  ]
  return job.reply(
    202,
    { resourceType: 'OperationOutcome', id: 'accepted', issue },
    { 'content-location': url },
  )
}

/** 202 with the job while it runs, cancelled or not; 200 with where its result is. */
export function bundleJobStatus(job: Job, id: string): Response {
  const found = known(job, id)
  const { request, resultId, startedAt, cancelled } = found
  const head = { resourceType: 'AsyncJob', id, request, requestTime: new Date(startedAt).toISOString() }
  if (job.call.now - startedAt < job.jobs.runMs) {
    return job.reply(202, { ...head, status: cancelled ? 'cancelled' : 'accepted' })
  }
  const parameter = [{ name: 'results', valueReference: { reference: `Binary/${resultId}` } }]
  return job.reply(200, { ...head, status: 'completed', output: { resourceType: 'Parameters', parameter } })
}

/** It is marked, and the work goes on. */
export function cancelBundleJob(job: Job, id: string): Response {
  job.jobs.bundles.set(id, { ...known(job, id), cancelled: true })
  return job.empty(202)
}

/** What the Binary of a finished job holds. */
export function bundleResult({ jobs, call }: Job): Resource | undefined {
  const [, binary] = call.path
  for (const { resultId, result, startedAt } of jobs.bundles.values())
    if (resultId === binary && call.now - startedAt >= jobs.runMs) return result
  return undefined
}

function known({ jobs }: Job, id: string): BundleJob {
  const found = jobs.bundles.get(id)
  if (found === undefined) throw new FhirProblem(404, 'not-found', 'Not found')
  return found
}
