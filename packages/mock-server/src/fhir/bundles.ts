import { asArray, isObject } from '../json.js'
import type { Letter } from '../auth/scopes.js'
import type { Trouble } from '../server/call.js'
import { parseEntry, type BundleEntry, type EntryRules } from './bundle-entry.js'
import { deleteConditionally, patchResource, patchTarget, updateConditionally } from './conditional.js'
import { checkIntegrity } from './integrity.js'
import { etagOf, type Resource, type StoredVersion } from './model.js'
import type { OpenBundle } from './paging.js'
import type { Preferences } from './preferences.js'
import { FhirProblem, outcomeOfProblem } from './problem.js'
import { doneOutcome, readResource, readVersion } from './reads.js'
import { rewriteLinks } from './references.js'
import { parseSearch } from './search.js'
import { beginSearch, searchPage, type SearchContext } from './search-page.js'
import { batchLinks, inEntry, runTransactionWrites } from './transaction.js'
import {
  createResource,
  deleteResource,
  updateResource,
  type WriteContext,
  type WriteResult,
} from './writes.js'

export interface BundleContext extends SearchContext {
  readonly preferences: Preferences
  readonly maxEntries: number
  readonly trouble: Trouble
  readonly now: number
  check(value: unknown, type: string): Resource
  /** Throws a 403 problem when the token does not reach that far. */
  allow(letter: Letter, type: string): void
  mayRead(resource: Resource): void
  /** A fresh draft over the committed state; `commit` makes its writes real. */
  open(): WriteContext
  commit(context: WriteContext): void
}

/** One entry of an answer; a search has links to be sealed. */
interface Answer {
  readonly entry: object
  readonly search?: OpenBundle
}

export interface BundleAnswer {
  readonly type: 'transaction-response' | 'batch-response'
  readonly answers: readonly Answer[]
}

const statusWords: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 204: 'No Content' }

/** Works on a POST to the base; every write of it is over when this returns. */
export function runBundle(bundle: unknown, context: BundleContext): BundleAnswer {
  // Entries are checked one by one: in a batch, a malformed one must not fail its neighbours.
  const { resourceType, type, entry } = isObject(bundle) ? bundle : {}
  if (resourceType !== 'Bundle' || (type !== 'transaction' && type !== 'batch')) {
    throw new FhirProblem(400, 'invalid', 'The base takes Bundles of type transaction or batch.', {
      expression: 'Bundle.type',
    })
  }
  if (entry !== undefined && (!Array.isArray(entry) || entry.length === 0)) {
    throw new FhirProblem(400, 'structure', '`Bundle.entry` is no array with items.', {
      expression: 'Bundle.entry',
    })
  }
  const values = asArray(entry)
  if (values.length > context.maxEntries) {
    throw new FhirProblem(400, 'too-costly', `A Bundle may have ${context.maxEntries} entries here.`, {
      expression: 'Bundle.entry',
    })
  }
  const atomic = type === 'transaction' && context.profile.transactions === 'atomic'
  const answers = atomic ? runTransaction(values, context) : runBatch(values, context, type === 'transaction')
  return { type: `${type}-response`, answers }
}

/** What a `fail-entries` fault says about an entry. */
function failByFault(index: number, { trouble }: BundleContext): void {
  const { failEntries } = trouble
  if (failEntries?.entries.includes(index) !== true) return
  const code = failEntries.status === 429 ? 'throttled' : 'processing'
  throw new FhirProblem(failEntries.status, code, 'This entry fails because a fault was scripted.')
}

function parseAllowed(value: unknown, index: number, context: BundleContext): BundleEntry {
  const rules: EntryRules = context
  failByFault(index, context)
  const entry = parseEntry(value, index, rules)
  context.allow(letterOf(entry), entry.type)
  return entry
}

function runTransaction(values: readonly unknown[], context: BundleContext): readonly Answer[] {
  const entries = values.map((value, index) => inEntry(index, () => parseAllowed(value, index, context)))
  const write = context.open()
  const results = runTransactionWrites(entries, write, (value, type) => context.check(value, type))
  const reads = new Map<number, Answer>()
  for (const entry of entries) {
    if (results.has(entry.index)) continue
    inEntry(entry.index, () => {
      if (entry.id !== undefined) reads.set(entry.index, readAnswer(entry, write.draft, context))
      // Refused now if at all: it is answered after the commit.
      else parseSearch(searchPairs(entry), context, entry.type)
    })
  }
  context.commit(write)
  return entries.map((entry) => {
    const result = results.get(entry.index)
    if (result !== undefined) return { entry: writeResponse(result, context) }
    return reads.get(entry.index) ?? searchAnswer(entry, context)
  })
}

function runBatch(values: readonly unknown[], context: BundleContext, linked: boolean): readonly Answer[] {
  const parsed = values.map((value, index) =>
    attempt(() => inEntry(index, () => parseAllowed(value, index, context))),
  )
  const links = linked
    ? batchLinks(
        parsed.filter((entry) => 'method' in entry),
        context.open(),
      )
    : undefined
  return parsed.map((entry) => {
    if (!('method' in entry)) return entry
    return attempt(() =>
      inEntry(entry.index, () => {
        const resource =
          links && entry.resource ? rewriteLinks(entry.resource, links.visitor) : entry.resource
        return runBatchEntry({ ...entry, resource }, context, links?.ids.get(entry))
      }),
    )
  })

  function attempt<T>(work: () => T): T | Answer {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof FhirProblem)) throw error
      const outcome = outcomeOfProblem(error, context.profile.issueText)
      return { entry: { response: { status: String(error.status), outcome } } }
    }
  }
}

function runBatchEntry(entry: BundleEntry, context: BundleContext, id: string | undefined): Answer {
  const write = context.open()
  if (entry.method === 'GET' || entry.method === 'HEAD') {
    return entry.id === undefined ? searchAnswer(entry, context) : readAnswer(entry, write.draft, context)
  }
  const result = runSingle(entry, write, context, id)
  checkIntegrity(write)
  context.commit(write)
  return { entry: writeResponse(result, context) }
}

function runSingle(
  entry: BundleEntry,
  write: WriteContext,
  context: BundleContext,
  newId: string | undefined,
): WriteResult {
  const { method, type, id, query = '', ifMatch, resource } = entry
  switch (method) {
    case 'DELETE':
      if (id !== undefined) return deleteResource(write, type, id, ifMatch)
      return deleteConditionally(write, type, query).at(-1) ?? { status: 204, version: undefined }
    case 'PATCH': {
      const target = id ?? patchTarget(write, type, query)
      return patchResource(write, { type, id: target }, entry.patch, ifMatch, (value, of) =>
        context.check(value, of),
      )
    }
    default:
      if (resource === undefined) throw new FhirProblem(400, 'required', 'The entry needs a resource.')
      if (method === 'POST') return createResource(write, resource, entry.ifNoneExist, newId)
      return id === undefined
        ? updateConditionally(write, resource, query, entry)
        : updateResource(write, id, resource, entry)
  }
}

function letterOf(entry: BundleEntry): Letter {
  switch (entry.method) {
    case 'POST':
      return 'c'
    case 'PUT':
    case 'PATCH':
      return 'u'
    case 'DELETE':
      return 'd'
    default:
      return entry.id === undefined ? 's' : 'r'
  }
}

function statusText(status: number, { profile }: BundleContext): string {
  return profile.entryStatus === 'bare' ? String(status) : `${status} ${statusWords[status] ?? ''}`
}

function versionParts(version: StoredVersion, { profile }: BundleContext): Record<string, string> {
  if (!profile.entryVersions) return {}
  return { etag: etagOf(version), lastModified: new Date(version.at).toISOString() }
}

/** Where a written resource stands, in the form the profile's server uses in entries. */
function locationOf(version: StoredVersion, { profile, fhirBase }: BundleContext): string {
  const own = `${version.type}/${version.id}`
  if (profile.location === 'root-relative') return `/${own}`
  return profile.location === 'unversioned' ? own : `${fhirBase}/${own}/_history/${version.versionId}`
}

function writeResponse(result: WriteResult, context: BundleContext): object {
  const { status, version } = result
  const { profile, preferences, fhirBase } = context
  const wish = preferences.return
  const tellsOutcome =
    (wish === 'OperationOutcome' && profile.preferReturn.outcome !== 'ignored') || !profile.entryVersions
  const response = {
    status: statusText(status, context),
    ...(version?.resource === undefined ? {} : { location: locationOf(version, context) }),
    ...(version === undefined ? {} : versionParts(version, context)),
    ...(tellsOutcome ? { outcome: doneOutcome(status) } : {}),
  }
  if (wish !== 'representation' || version?.resource === undefined) return { response }
  return { fullUrl: `${fhirBase}/${version.type}/${version.id}`, resource: version.resource, response }
}

function readAnswer(entry: BundleEntry, view: WriteContext['draft'], context: BundleContext): Answer {
  const { type, id = '', vid, method } = entry
  const version = vid === undefined ? readResource(view, type, id) : readVersion(view, type, id, vid)
  context.mayRead(version.resource)
  const shown =
    method === 'HEAD' ? {} : { fullUrl: `${context.fhirBase}/${type}/${id}`, resource: version.resource }
  return {
    entry: { ...shown, response: { status: statusText(200, context), ...versionParts(version, context) } },
  }
}

function searchPairs({ query = '' }: BundleEntry): readonly (readonly [string, string])[] {
  return [...new URLSearchParams(query)]
}

function searchAnswer(entry: BundleEntry, context: BundleContext): Answer {
  const lag = Math.max(context.trouble.searchLagMs, context.profile.searchLagMs)
  const search = searchPage(context, beginSearch(context, entry.type, searchPairs(entry), lag, context.now))
  const answer = { response: { status: statusText(200, context) } }
  return entry.method === 'HEAD' ? { entry: answer } : { entry: answer, search }
}
