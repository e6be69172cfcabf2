import { asksForBundleJob, beginBundleJob } from './bundle-jobs.js'
import { runBundle } from './bundles.js'
import type { Job } from './job.js'
import type { Resource } from './model.js'

/** A POST to the base. */
export async function runSystemBundle(job: Job): Promise<Response> {
  const run = (): Promise<Resource> => answerOf(job)
  return asksForBundleJob(job.profile, job.call)
    ? await beginBundleJob(job, run)
    : job.reply(200, await run())
}

/** The work is done before anything is awaited; then the links of searches are sealed. */
async function answerOf(job: Job): Promise<Resource> {
  const { call, fhirBase, access } = job
  const { type, answers } = runBundle(job.body(), {
    ...job.searching('s'),
    preferences: job.preferences,
    maxEntries: job.maxEntries,
    trouble: call.trouble,
    now: call.now,
    check: (value, of) => job.check(value, of),
    allow: (letter, of) => access.demand(letter, of),
    mayRead: (resource) => access.requireResource('r', resource),
    open: () => job.begin(job),
    commit: (context) => job.commit(context, call.n),
  })
  const entry: object[] = []
  for (const answer of answers) {
    if (answer.search === undefined) entry.push(answer.entry)
    else entry.push({ resource: await job.pages.close(answer.search, fhirBase, call.now), ...answer.entry })
  }
  return { resourceType: 'Bundle', type, ...(entry.length === 0 ? {} : { entry }) }
}
