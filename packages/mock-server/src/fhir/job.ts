import { parseJson } from '../json.js'
import type { Letter } from '../auth/scopes.js'
import { formOf, mediaType, type Call } from '../server/call.js'
import type { Access } from './access.js'
import { checkIntegrity } from './integrity.js'
import type { InteractionName } from './interactions.js'
import type { Job as AsyncJob, Jobs } from './jobs.js'
import type { Resource, StoredVersion } from './model.js'
import type { OpenBundle, Pages } from './paging.js'
import { linkHeader } from './paging.js'
import type { PageState } from './page-seal.js'
import { requireJsonBody, requirePatchBody, type Preferences } from './preferences.js'
import { FhirProblem } from './problem.js'
import type { FhirProfile } from './profile.js'
import { doneOutcome, versionHeaders } from './reads.js'
import type { Repository } from './repository.js'
import { fhirReply } from './reply.js'
import { parseSearch } from './search.js'
import { searchPage, type SearchContext } from './search-page.js'
import type { UpdateConditions, WriteContext, WriteResult } from './writes.js'
import { checkUrlId } from './writes.js'

/** The segments that a path left open, empty where it has no such segment. */
export interface Place {
  readonly type: string
  readonly id: string
  readonly vid: string
  readonly token: string
}

/** What the FHIR service is made of. */
export interface FhirParts {
  readonly repository: Repository
  readonly pages: Pages
  readonly jobs: Jobs
  readonly profile: FhirProfile
  readonly open: boolean
  readonly maxEntries: number
  readonly startedAt: number
  readonly has: ReadonlySet<InteractionName>
  /** Structural check and injected validator together. */
  check(value: unknown, type?: string): Resource
  begin(job: { readonly access: Access; readonly fhirBase: string; readonly call: Call }): WriteContext
  commit(context: WriteContext, requestId: number): void
  newId(): string
}

/** One request at the FHIR service, with everything that a row of the table needs to answer it. */
export interface Job extends FhirParts {
  readonly call: Call
  readonly fhirBase: string
  readonly preferences: Preferences
  readonly access: Access
  readonly searchLagMs: number
  searching(letter: Letter): SearchContext
  conditions(): UpdateConditions
  /** The condition in the query of a conditional write. */
  condition(): string
  bodyIfJson(): unknown
  body(): unknown
  resourceBody(type: string): Resource
  patchBody(): unknown
  formPairs(): readonly (readonly [string, string])[]
  /** The parts of a Parameters body with simple values, as query parameters. */
  parameterPairs(): readonly (readonly [string, string])[]
  checkUrlId(id: string): void
  /** Runs a write of one resource, commits it and answers as the client prefers. */
  write(work: (context: WriteContext) => WriteResult): Response
  reply(status: number, resource: Resource, headers?: Readonly<Record<string, string>>): Response
  empty(status: number, headers?: Readonly<Record<string, string>>): Response
  bundle(open: OpenBundle): Promise<Response>
  /** 202 for a search that may be answered later and should be. */
  later(state: PageState): Response | undefined
  resultOf(job: AsyncJob): Promise<Resource>
}

export interface Caller {
  readonly access: Access
  readonly scope: string | undefined
  readonly patient: string | undefined
  /** Ids of the patients that the user may see. */
  readonly visible: readonly string[] | undefined
}

export function createJob(
  parts: FhirParts,
  call: Call,
  preferences: Preferences,
  caller: Caller,
  accessOfJob: (job: AsyncJob) => Access,
): Job {
  const { profile, repository, pages } = parts
  const { access } = caller
  const fhirBase = `${call.root}/fhir`
  const { strict } = preferences
  const rules = { repository, profile, fhirBase, strict }
  const reply = (
    status: number,
    resource: Resource,
    headers: Readonly<Record<string, string>> = {},
  ): Response => fhirReply(status, resource, headers)
  const empty = (status: number, headers: Readonly<Record<string, string>> = {}): Response =>
    fhirReply(status, undefined, headers)
  const bodyIfJson = (): unknown => parseJson(call.body)
  const body = (): unknown => {
    requireJsonBody(call.headers, profile)
    const value = bodyIfJson()
    if (value === undefined) {
      const code = profile.malformedStatus === 500 ? 'exception' : 'structure'
      throw new FhirProblem(profile.malformedStatus, code, 'The body is not JSON in UTF-8.')
    }
    return value
  }

  const job: Job = {
    ...parts,
    call,
    fhirBase,
    preferences,
    access,
    searchLagMs: Math.max(profile.searchLagMs, call.trouble.searchLagMs),
    searching: (letter) => ({ ...rules, visible: (resource) => access.covers(letter, resource) }),
    conditions: () => ({
      ifMatch: call.headers.get('if-match') ?? undefined,
      ifNoneMatch: call.headers.get('if-none-match') ?? undefined,
    }),
    condition: () => {
      const query = new URLSearchParams(call.query)
      query.delete('_format')
      return query.toString()
    },
    bodyIfJson,
    body,
    resourceBody: (type) => parts.check(body(), type),
    patchBody: () => {
      requirePatchBody(call.headers)
      const patch = bodyIfJson()
      if (patch === undefined) throw new FhirProblem(400, 'structure', 'The body is not JSON in UTF-8.')
      return patch
    },
    formPairs: () => {
      const form = formOf(call)
      if (form === undefined) throw new FhirProblem(415, 'not-supported', '_search takes a form body.')
      return [...call.query, ...form]
    },
    parameterPairs: () => parameterPairs(call),
    checkUrlId: (id) => checkUrlId(profile, id),
    write: (work) => {
      const context = parts.begin(job)
      const result = work(context)
      checkIntegrity(context)
      parts.commit(context, call.n)
      return writeReply(job, result)
    },
    reply,
    empty,
    bundle: async (open) => {
      const bundle = await pages.close(open, fhirBase, call.now)
      return reply(200, bundle, profile.linkHeader ? linkHeader(bundle) : {})
    },
    later: (state) => {
      if (!preferences.respondAsync || !['searches', 'counts'].includes(profile.async)) return undefined
      const { onlyCount, criteria } = parseSearch(state.pairs, rules, state.type)
      if (profile.async === 'counts' && !(onlyCount && criteria.length > 0 && state.type !== undefined))
        return undefined
      const started = parts.jobs.start({
        state,
        fhirBase,
        strict,
        scope: caller.scope,
        patient: caller.patient,
        visible: caller.visible,
        startedAt: call.now,
      })
      // What is ready in time is answered at once.
      if (parts.jobs.poll(started.id, call.now).progress === 'done') {
        parts.jobs.all.delete(started.id)
        return undefined
      }
      return empty(202, { 'content-location': `${fhirBase}/__async-status/${started.id}` })
    },
    resultOf: (started) => {
      const visible = (resource: Resource): boolean => accessOfJob(started).covers('s', resource)
      const context = { ...rules, fhirBase: started.fhirBase, strict: started.strict, visible }
      return pages.close(searchPage(context, started.state), started.fhirBase, call.now)
    },
  }
  return job
}

function parameterPairs(call: Call): readonly (readonly [string, string])[] {
  const form = formOf(call)
  if (form !== undefined) return [...form]
  if (call.method !== 'POST' || mediaType(call.headers) === '') return []
  const { parameter } = (parseJson(call.body) ?? {}) as {
    readonly parameter?: readonly Record<string, unknown>[]
  }
  return (Array.isArray(parameter) ? (parameter as readonly Record<string, unknown>[]) : []).flatMap(
    ({ name, ...rest }): readonly (readonly [string, string])[] => {
      const value = Object.entries(rest).find(([member]) => member.startsWith('value'))?.[1]
      return typeof name === 'string' && value !== undefined
        ? [[`_${name.replace(/^_/, '')}`, String(value)]]
        : []
    },
  )
}

function writeReply(job: Job, { status, version }: WriteResult): Response {
  const { profile, preferences } = job
  if (version === undefined || version.resource === undefined) return job.empty(status)
  const location = locationOf(version, job)
  // A hit of a conditional create tells no place on servers without versioned ones.
  const told = status === 200 && profile.location !== 'versioned' ? {} : { location }
  const headers = { ...versionHeaders(version), ...told }
  const { minimal, outcome } = profile.preferReturn
  if (preferences.return === 'minimal' && minimal) {
    return job.empty(status, { 'content-type': 'application/fhir+json;charset=utf-8', ...headers })
  }
  if (preferences.return === 'OperationOutcome' && outcome !== 'ignored') {
    const empty: Resource = { resourceType: 'OperationOutcome' }
    return job.reply(status, outcome === 'empty' ? empty : doneOutcome(status), headers)
  }
  return job.reply(status, version.resource, headers)
}

function locationOf({ type, id, versionId }: StoredVersion, { profile, fhirBase }: Job): string {
  switch (profile.location) {
    case 'versioned':
      return `${fhirBase}/${type}/${id}/_history/${versionId}`
    case 'unversioned':
      return `${fhirBase}/${type}/${id}`
    case 'root-relative':
      return `/${type}/${id}`
  }
}
