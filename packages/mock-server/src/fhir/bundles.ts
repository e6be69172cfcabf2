import { asArray, isObject } from '../json.js'
import type { Letter } from '../auth/scopes.js'
import { parseEntry, type BundleEntry } from './bundle-entry.js'
import { etagOf, type Resource, type StoredVersion } from './model.js'
import type { Pages } from './paging.js'
import type { Preferences } from './preferences.js'
import { FhirProblem, operationOutcome, outcomeOfProblem, problemInEntry } from './problem.js'
import { readResource, readVersion } from './reads.js'
import type { RepositoryView } from './repository.js'
import { parseSearch } from './search.js'
import { runTransactionWrites } from './transaction.js'
import {
  createResource,
  deleteResource,
  updateResource,
  type WriteContext,
  type WriteResult,
} from './writes.js'

export interface BundleContext {
  readonly fhirBase: string
  readonly preferences: Preferences
  readonly maxEntries: number
  readonly pages: Pages
  /** Throws a 403 problem when the token does not reach that far. */
  allow(letter: Letter, type: string): void
  /** A fresh draft over the committed state; `commit` makes its writes real. */
  open(): WriteContext
  commit(context: WriteContext): void
}

const statusTexts: Readonly<Record<number, string>> = {
  200: '200 OK',
  201: '201 Created',
  204: '204 No Content',
}

/** Answers a POST to the base: a transaction-response, a batch-response, or a problem. */
export function runBundle(bundle: unknown, context: BundleContext): Resource {
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
  const responses = type === 'transaction' ? runTransaction(values, context) : runBatch(values, context)
  return {
    resourceType: 'Bundle',
    type: `${type}-response`,
    ...(responses.length === 0 ? {} : { entry: responses }),
  }
}

function guarded<T>(index: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof FhirProblem ? problemInEntry(error, index) : error
  }
}

function runTransaction(values: readonly unknown[], context: BundleContext): readonly object[] {
  const entries = values.map((value, index) =>
    guarded(index, () => {
      const entry = parseEntry(value, index, context.fhirBase)
      context.allow(letterOf(entry), entry.type)
      return entry
    }),
  )
  const write = context.open()
  const results = runTransactionWrites(entries, write)
  const responses = entries.map((entry) => {
    const result = results.get(entry.index)
    if (result !== undefined) return writeResponse(result, context)
    return guarded(entry.index, () => readResponse(entry, write.draft, context))
  })
  context.commit(write)
  return responses
}

function runBatch(values: readonly unknown[], context: BundleContext): readonly object[] {
  return values.map((value, index) => {
    try {
      return guarded(index, () => runBatchEntry(parseEntry(value, index, context.fhirBase), context))
    } catch (error) {
      if (!(error instanceof FhirProblem)) throw error
      return { response: { status: String(error.status), outcome: outcomeOfProblem(error) } }
    }
  })
}

function runBatchEntry(entry: BundleEntry, context: BundleContext): object {
  context.allow(letterOf(entry), entry.type)
  const write = context.open()
  if (entry.method === 'GET' || entry.method === 'HEAD') return readResponse(entry, write.draft, context)
  const result = runSingle(entry, write)
  context.commit(write)
  return writeResponse(result, context)
}

function runSingle(entry: BundleEntry, write: WriteContext): WriteResult {
  const id = entry.id ?? ''
  if (entry.method === 'DELETE') return deleteResource(write, entry.type, id, entry.ifMatch)
  if (entry.resource === undefined) throw new FhirProblem(400, 'required', 'The entry needs a resource.')
  return entry.method === 'PUT'
    ? updateResource(write, id, entry.resource, entry)
    : createResource(write, entry.resource, entry.ifNoneExist)
}

function letterOf(entry: BundleEntry): Letter {
  switch (entry.method) {
    case 'POST':
      return 'c'
    case 'PUT':
      return 'u'
    case 'DELETE':
      return 'd'
    default:
      return entry.id === undefined ? 's' : 'r'
  }
}

function versionParts(version: StoredVersion): Record<string, string> {
  return { etag: etagOf(version), lastModified: new Date(version.at).toISOString() }
}

function writeResponse(result: WriteResult, context: BundleContext): object {
  const { status, version } = result
  const wish = context.preferences.return
  const location =
    version?.resource === undefined
      ? undefined
      : `${context.fhirBase}/${version.type}/${version.id}/_history/${version.version}`
  const response = {
    status: statusTexts[status],
    ...(location === undefined ? {} : { location }),
    ...(version === undefined ? {} : versionParts(version)),
    ...(wish === 'OperationOutcome' ? { outcome: doneOutcome(status) } : {}),
  }
  if (wish !== 'representation' || version?.resource === undefined) return { response }
  return {
    fullUrl: `${context.fhirBase}/${version.type}/${version.id}`,
    resource: version.resource,
    response,
  }
}

export function doneOutcome(status: number): Resource {
  return operationOutcome('information', 'informational', statusTexts[status] ?? String(status))
}

function readResponse(entry: BundleEntry, view: RepositoryView, context: BundleContext): object {
  const { type, id, vid, query, method } = entry
  if (id === undefined) {
    const request = parseSearch(
      [...new URLSearchParams(query ?? '')],
      context.fhirBase,
      context.preferences.strict,
    )
    const resource = context.pages.search(view, type, request, context.fhirBase)
    return { ...(method === 'HEAD' ? {} : { resource }), response: { status: statusTexts[200] } }
  }
  const version = vid === undefined ? readResource(view, type, id) : readVersion(view, type, id, vid)
  return {
    ...(method === 'HEAD'
      ? {}
      : { fullUrl: `${context.fhirBase}/${type}/${id}`, resource: version.resource }),
    response: { status: statusTexts[200], ...versionParts(version) },
  }
}
