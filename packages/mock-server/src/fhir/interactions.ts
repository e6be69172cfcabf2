import { bundleJobStatus, bundleResult, cancelBundleJob } from './bundle-jobs.js'
import { batchResponse } from './jobs.js'
import { capabilityStatement } from './capability.js'
import { deleteConditionally, patchResource, patchTarget, updateConditionally } from './conditional.js'
import { beginEverything, everythingPage } from './everything.js'
import { create, history, page, read, search } from './interaction-runs.js'
import type { StoredVersion } from './model.js'
import { FhirProblem } from './problem.js'
import type { FhirProfile } from './profile.js'
import { doneOutcome, readVersion, versionHeaders } from './reads.js'
import { deleteResource, updateResource } from './writes.js'
import type { Job, Place } from './job.js'
import { runSystemBundle } from './system-bundle.js'

export type InteractionName =
  | 'capabilities'
  | 'search-system'
  | 'search-system-post'
  | 'search-system-page'
  | 'history-system'
  | 'history-system-page'
  | 'async-status'
  | 'async-cancel'
  | 'bundle-job-status'
  | 'bundle-job-cancel'
  | 'bundle-job-result'
  | 'transaction'
  | 'batch'
  | 'search-type'
  | 'search-type-post'
  | 'search-type-page'
  | 'history-type'
  | 'history-type-page'
  | 'create'
  | 'conditional-create'
  | 'conditional-update'
  | 'conditional-patch'
  | 'conditional-delete'
  | 'read'
  | 'vread'
  | 'update'
  | 'patch'
  | 'delete'
  | 'history-instance'
  | 'history-instance-page'
  | 'delete-history'
  | 'everything'
  | 'everything-page'

/** One row: what a server can be asked to do, by method and path. `:x` in a path stands for any one segment. */
export interface Interaction {
  readonly name: InteractionName
  readonly methods: readonly ('GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE')[]
  readonly path: string
  /** Needed beside method and path. */
  when?(job: Job): boolean
  /** Profiles without this do not have the row. */
  readonly needs?: (profile: FhirProfile) => boolean
  /** The row answers without a token. */
  readonly public?: true
  run(job: Job, place: Place): Response | Promise<Response>
}

const hasQuery = ({ call }: Job): boolean => [...call.query.keys()].some((name) => name !== '_format')
const bundleType = (job: Job): unknown => (job.bodyIfJson() as { readonly type?: unknown } | undefined)?.type

const hasBundleJobs = ({ async }: FhirProfile): boolean => async === 'bundles'
const hasSearchJobs = ({ async }: FhirProfile): boolean => async === 'searches' || async === 'counts'

/** Everything below `/fhir`, in the order in which requests are matched. */
export const interactions: readonly Interaction[] = [
  {
    name: 'capabilities',
    methods: ['GET'],
    path: 'metadata',
    public: true,
    run: (job) => {
      const { root } = job.call
      const { open, startedAt, profile, has } = job
      const statement = capabilityStatement({ root, open, startedAt, profile, has })
      // The statement of one server never changes while it runs.
      const etag = `W/"${startedAt}"`
      const known = job.call.headers
        .get('if-none-match')
        ?.split(',')
        .some((tag) => tag.trim() === etag)
      return known === true ? job.empty(304, { etag }) : job.reply(200, statement, { etag })
    },
  },
  {
    name: 'async-status',
    methods: ['GET'],
    path: '__async-status/:id',
    needs: hasSearchJobs,
    run: async (job, { id }) => {
      const { job: found, progress } = job.jobs.poll(id, job.call.now)
      if (progress !== 'done') return job.empty(202, { 'x-progress': progress })
      return job.reply(
        200,
        await batchResponse(job.newId().slice(0, 16).toUpperCase(), () => job.resultOf(found)),
      )
    },
  },
  {
    name: 'async-cancel',
    methods: ['DELETE'],
    path: '__async-status/:id',
    needs: hasSearchJobs,
    run: (job, { id }) => {
      job.jobs.cancel(id, job.call.now)
      return job.empty(202)
    },
  },
  {
    name: 'bundle-job-status',
    methods: ['GET'],
    path: 'job/:id/status',
    needs: hasBundleJobs,
    run: (job, { id }) => bundleJobStatus(job, id),
  },
  {
    name: 'bundle-job-cancel',
    methods: ['DELETE'],
    path: 'job/:id/status',
    needs: hasBundleJobs,
    run: (job, { id }) => cancelBundleJob(job, id),
  },
  {
    name: 'bundle-job-result',
    methods: ['GET'],
    path: 'Binary/:id',
    needs: hasBundleJobs,
    when: (job) => bundleResult(job) !== undefined,
    run: (job) => job.reply(200, bundleResult(job) ?? { resourceType: 'Bundle' }),
  },
  {
    name: 'search-system-page',
    methods: ['GET', 'POST'],
    path: '__page/:token',
    needs: ({ systemSearch }) => systemSearch,
    run: (job, { token }) => page(job, { kind: 'search' }, token),
  },
  {
    name: 'history-system-page',
    methods: ['GET', 'POST'],
    path: '__history-page/:token',
    run: (job, { token }) => page(job, { kind: 'history' }, token),
  },
  { name: 'history-system', methods: ['GET'], path: '_history', run: (job) => history(job, {}) },
  {
    name: 'search-system',
    methods: ['GET'],
    path: '',
    needs: ({ systemSearch }) => systemSearch,
    run: (job) => search(job, undefined, [...job.call.query]),
  },
  {
    name: 'search-system-post',
    methods: ['POST'],
    path: '_search',
    needs: ({ systemSearch }) => systemSearch,
    run: (job) => search(job, undefined, job.formPairs()),
  },
  {
    name: 'transaction',
    methods: ['POST'],
    path: '',
    when: (job) => bundleType(job) === 'transaction',
    needs: ({ transactions }) => transactions !== 'not-supported',
    run: (job) => runSystemBundle(job),
  },
  // Also for what is neither: the refusal names what is taken here.
  {
    name: 'batch',
    methods: ['POST'],
    path: '',
    when: (job) => bundleType(job) !== 'transaction',
    run: (job) => runSystemBundle(job),
  },
  {
    name: 'search-type-post',
    methods: ['POST'],
    path: ':type/_search',
    run: (job, { type }) => search(job, type, job.formPairs()),
  },
  {
    name: 'search-type-page',
    methods: ['GET', 'POST'],
    path: ':type/__page/:token',
    run: (job, { type, token }) => page(job, { kind: 'search', type }, token),
  },
  {
    name: 'history-type-page',
    methods: ['GET', 'POST'],
    path: ':type/__history-page/:token',
    run: (job, { type, token }) => page(job, { kind: 'history', type }, token),
  },
  {
    name: 'history-type',
    methods: ['GET'],
    path: ':type/_history',
    run: (job, { type }) => history(job, { type }),
  },
  {
    name: 'search-type',
    methods: ['GET'],
    path: ':type',
    run: (job, { type }) => search(job, type, [...job.call.query]),
  },
  {
    name: 'conditional-create',
    methods: ['POST'],
    path: ':type',
    when: ({ call }) => call.headers.has('if-none-exist'),
    run: (job, { type }) => create(job, type, job.call.headers.get('if-none-exist') ?? undefined),
  },
  { name: 'create', methods: ['POST'], path: ':type', run: (job, { type }) => create(job, type, undefined) },
  {
    name: 'conditional-update',
    methods: ['PUT'],
    path: ':type',
    when: hasQuery,
    needs: ({ conditionalUpdate }) => conditionalUpdate,
    run: (job, { type }) => {
      job.access.demand('u', type)
      const resource = job.resourceBody(type)
      return job.write((context) => updateConditionally(context, resource, job.condition(), job.conditions()))
    },
  },
  {
    name: 'conditional-patch',
    methods: ['PATCH'],
    path: ':type',
    when: hasQuery,
    needs: ({ patch, conditionalUpdate }) => patch && conditionalUpdate,
    run: (job, { type }) => {
      job.access.demand('u', type)
      const patch = job.patchBody()
      return job.write((context) =>
        patchResource(
          context,
          { type, id: patchTarget(context, type, job.condition()) },
          patch,
          undefined,
          job.check,
        ),
      )
    },
  },
  {
    name: 'conditional-delete',
    methods: ['DELETE'],
    path: ':type',
    when: hasQuery,
    needs: ({ conditionalDelete }) => conditionalDelete !== 'not-supported',
    run: (job, { type }) => {
      job.access.demand('d', type)
      let count = 0
      job.write((context) => {
        const results = deleteConditionally(context, type, job.condition())
        count = results.length
        return { status: 204, version: results.at(-1)?.version }
      })
      if (job.preferences.return !== 'OperationOutcome') return job.empty(204)
      return job.reply(200, {
        resourceType: 'OperationOutcome',
        issue: [
          { severity: 'success', code: 'success', diagnostics: `Successfully deleted ${count} ${type}s.` },
        ],
      })
    },
  },
  {
    name: 'everything',
    methods: ['GET', 'POST'],
    path: 'Patient/:id/$everything',
    needs: ({ everything }) => everything,
    run: (job, { id }) => {
      job.access.demand('r', 'Patient')
      const pairs = [...job.call.query, ...job.parameterPairs()]
      return job.bundle(everythingPage(job.searching('r'), beginEverything(job.searching('r'), id, pairs)))
    },
  },
  {
    name: 'everything-page',
    methods: ['GET', 'POST'],
    path: 'Patient/:id/__everything-page/:token',
    needs: ({ everything }) => everything,
    run: (job, { id, token }) => page(job, { kind: 'everything', type: 'Patient', id }, token),
  },
  {
    name: 'history-instance-page',
    methods: ['GET', 'POST'],
    path: ':type/:id/__history-page/:token',
    run: (job, { type, id, token }) => page(job, { kind: 'history', type, id }, token),
  },
  {
    name: 'history-instance',
    methods: ['GET'],
    path: ':type/:id/_history',
    run: (job, { type, id }) => history(job, { type, id }),
  },
  {
    name: 'delete-history',
    methods: ['DELETE'],
    path: ':type/:id/_history',
    needs: ({ deleteHistory }) => deleteHistory,
    run: (job, { type, id }) => {
      job.access.demand('d', type)
      const current = job.repository.current(type, id)
      if (current === undefined)
        throw new FhirProblem(404, 'not-found', `Resource \`${type}/${id}\` was not found.`)
      if (current.resource !== undefined) job.access.requireResource('d', current.resource)
      job.repository.dropHistory(type, id)
      return job.empty(204)
    },
  },
  {
    name: 'vread',
    methods: ['GET'],
    path: ':type/:id/_history/:vid',
    run: (job, { type, id, vid }) => {
      job.access.demand('r', type)
      const version = readVersion(job.repository, type, id, vid)
      job.access.requireResource('r', version.resource)
      const cache: Record<string, string> =
        job.profile.versionIds === 'transaction' ? { 'cache-control': 'no-cache' } : {}
      return job.reply(200, version.resource, { ...versionHeaders(version), ...cache })
    },
  },
  { name: 'read', methods: ['GET'], path: ':type/:id', run: (job, { type, id }) => read(job, type, id) },
  {
    name: 'update',
    methods: ['PUT'],
    path: ':type/:id',
    run: (job, { type, id }) => {
      job.access.demand('u', type)
      const resource = job.resourceBody(type)
      const named = job.profile.validation === 'none' ? { ...resource, id } : resource
      return job.write((context) => updateResource(context, id, named, job.conditions()))
    },
  },
  {
    name: 'patch',
    methods: ['PATCH'],
    path: ':type/:id',
    needs: ({ patch }) => patch,
    run: (job, { type, id }) => {
      job.access.demand('u', type)
      const patch = job.patchBody()
      const { ifMatch } = job.conditions()
      return job.write((context) => patchResource(context, { type, id }, patch, ifMatch, job.check))
    },
  },
  {
    name: 'delete',
    methods: ['DELETE'],
    path: ':type/:id',
    run: (job, { type, id }) => {
      job.access.demand('d', type)
      let version: StoredVersion | undefined
      job.write((context) => {
        const result = deleteResource(context, type, id, job.conditions().ifMatch)
        ;({ version } = result)
        return result
      })
      const headers = version === undefined || version.versionId === '' ? {} : versionHeaders(version)
      const tells = job.profile.deleteStatus === 200 || job.preferences.return === 'OperationOutcome'
      return tells ? job.reply(200, doneOutcome(200), headers) : job.empty(204, headers)
    },
  },
]
