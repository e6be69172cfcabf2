import type { BundleJob } from './bundle-jobs.js'
import type { Resource } from './model.js'
import { FhirProblem, outcomeOfProblem } from './problem.js'
import type { PageState } from './page-seal.js'

/** A request that is answered later. Its result is worked out when it is first asked for after its time. */
export interface Job {
  readonly id: string
  readonly state: PageState
  readonly fhirBase: string
  readonly strict: boolean
  /** The scopes of the token that began it. */
  readonly scope: string | undefined
  readonly patient: string | undefined
  readonly visible: readonly string[] | undefined
  readonly startedAt: number
  readonly cancelled: boolean
}

export interface Jobs {
  readonly all: Map<string, Job>
  /** Those of Bundles, where the profile has them. */
  readonly bundles: Map<string, BundleJob>
  /** How long a job takes by the server's clock, in milliseconds. */
  readonly runMs: number
  start(job: Omit<Job, 'id' | 'cancelled'>): Job
  /** The job, or `undefined` while it is not done. 404 for jobs that never were, or were cancelled. */
  poll(id: string, now: number): { readonly job: Job; readonly progress: 'ready' | 'in-progress' | 'done' }
  /** 409 when it is too late. */
  cancel(id: string, now: number): void
}

/** `runMs` is how long a job takes by the server's clock; it stands in line for the first tenth of it. */
export function createJobs(runMs: number, newId: () => string): Jobs {
  const all = new Map<string, Job>()
  const known = (id: string): Job => {
    const job = all.get(id)
    if (job === undefined)
      throw new FhirProblem(404, 'not-found', `Resource \`Task/${id.slice(0, 80)}\` was not found.`)
    return job
  }
  const progressOf = (job: Job, now: number): 'ready' | 'in-progress' | 'done' => {
    const age = now - job.startedAt
    if (age >= runMs) return 'done'
    return age * 10 >= runMs ? 'in-progress' : 'ready'
  }
  return {
    all,
    bundles: new Map(),
    runMs,
    start: (job) => {
      const id = newId().replaceAll('-', '').slice(0, 16).toUpperCase()
      const started: Job = { ...job, id, cancelled: false }
      all.set(id, started)
      return started
    },
    poll: (id, now) => {
      const job = known(id)
      if (job.cancelled) {
        throw new FhirProblem(404, 'not-found', `The asynchronous request with id \`${id}\` is cancelled.`)
      }
      return { job, progress: progressOf(job, now) }
    },
    cancel: (id, now) => {
      const job = known(id)
      const over = job.cancelled ? 'cancelled' : 'completed'
      if (job.cancelled || progressOf(job, now) === 'done') {
        throw new FhirProblem(
          409,
          'conflict',
          `The asynchronous request with id \`${id}\` can't be cancelled because it's already ${over}.`,
        )
      }
      all.set(id, { ...job, cancelled: true })
    },
  }
}

/** The answer to a finished job: a failure is told inside a 200. */
export async function batchResponse(id: string, work: () => Promise<Resource>): Promise<Resource> {
  const bundle = { resourceType: 'Bundle', id, type: 'batch-response' }
  try {
    return { ...bundle, entry: [{ resource: await work(), response: { status: '200' } }] }
  } catch (error) {
    if (!(error instanceof FhirProblem)) throw error
    return {
      ...bundle,
      entry: [{ response: { status: String(error.status), outcome: outcomeOfProblem(error) } }],
    }
  }
}
