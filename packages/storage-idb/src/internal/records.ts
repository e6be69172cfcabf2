import type { EntryState, IndexedEntry } from '@fhir-outbox/queue-core'
import { answer, clear, put, remove, type Reading, type Writing } from './requests.js'
import { pageEntries, type Head, type HeadPage, type Schema, type State } from './schema.js'

type Paged = 'heads' | 'states' | 'payloads' | 'lanes'

/** Records of one store as one transaction sees them; what is set is written at its end, once. */
interface Cached<Name extends Paged> {
  get(key: Schema[Name]['key']): Promise<Schema[Name]['value'] | undefined>
  /** Gets these pages to be known, with one request where they stand side by side. */
  fetch(pages: readonly number[]): Promise<void>
  set(key: Schema[Name]['key'], value: Schema[Name]['value'] | undefined): void
  /** Removes these pages at once, with all that stands before `end`: nothing else may stand among them. */
  removeRun(transaction: Writing, pages: readonly number[], end: number): void
  /** Removes everything at once, and what was set before with it. */
  clear(transaction: Writing): void
  flush(transaction: Writing): void
}

export type Records = { readonly [Name in Paged]: Cached<Name> }

/** A value that cannot be read back, e.g. because its file is gone, must not cost the transaction. */
function fetched<Value>(request: IDBRequest<Value>): Promise<Value | undefined> {
  return new Promise((resolve) => {
    request.addEventListener('success', () => resolve(request.result))
    request.addEventListener('error', (event) => {
      event.preventDefault()
      event.stopPropagation()
      resolve(undefined)
    })
  })
}

function cached<Name extends Paged>(transaction: Reading, store: Name): Cached<Name> {
  type Key = Schema[Name]['key']
  type Value = Schema[Name]['value'] | undefined
  const known = new Map<Key, Promise<Value>>()
  const changed = new Map<Key, Value>()

  function get(key: Key): Promise<Value> {
    const found = known.get(key) ?? fetched<Value>(transaction.objectStore(store).get(key))
    known.set(key, found)
    return found
  }

  /** What stands between the pages is read in vain, so there must not be much of it. */
  async function fetchRange(pages: readonly number[]): Promise<void> {
    const [from, to] = [Math.min(...pages), Math.max(...pages)]
    if (pages.length < 2 || to - from > pages.length * pageEntries) return
    const range = IDBKeyRange.bound(from, to)
    const rows = await fetched<HeadPage[]>(transaction.objectStore(store).getAll(range, pages.length))
    // One of them cannot be read: the others can, one by one.
    if (rows === undefined) return
    const found = new Map(rows.map((row) => [row.first, row as unknown as Value]))
    const end = rows.length < pages.length ? to : (rows.at(-1)?.first ?? to)
    for (const page of pages) {
      if (page <= end) known.set(page, Promise.resolve(found.get(page)))
    }
  }

  return {
    get,
    async fetch(pages) {
      await fetchRange(pages.filter((page) => !known.has(page)))
      await Promise.all(pages.map(get))
    },
    set(key, value) {
      known.set(key, Promise.resolve(value))
      changed.set(key, value)
    },
    removeRun(writing, pages, end) {
      for (const page of pages) {
        known.set(page, Promise.resolve(undefined))
        // What was set earlier in this commit must not come back at its end.
        changed.delete(page)
      }
      remove(writing, store, IDBKeyRange.bound(Math.min(...pages), end, false, true))
    },
    clear(writing) {
      known.clear()
      changed.clear()
      clear(writing, store)
    },
    flush(writing) {
      for (const [key, value] of changed) {
        if (value === undefined) remove(writing, store, key)
        else put(writing, store, value)
      }
    },
  }
}

export function recordsIn(transaction: Reading): Records {
  return {
    heads: cached(transaction, 'heads'),
    states: cached(transaction, 'states'),
    payloads: cached(transaction, 'payloads'),
    lanes: cached(transaction, 'lanes'),
  }
}

/** Gets all that is known of the entries of these pages to be at hand. */
export async function fetchPages(
  { heads, states, payloads }: Records,
  known: readonly IndexedEntry[],
): Promise<void> {
  const pages = [...new Set(known.map(({ location }) => location))]
  await Promise.all([heads, states, payloads].map((store) => store.fetch(pages)))
}

/** An entry and where it stands. */
export interface Found {
  readonly first: number
  readonly at: number
  readonly head: Head
  readonly state: State | undefined
}

/** The page that an entry stands in, or would. */
export async function pageOf(transaction: Reading, sequence: number): Promise<number | undefined> {
  const heads = transaction.objectStore('heads')
  const cursor = await answer(heads.openKeyCursor(IDBKeyRange.upperBound(sequence), 'prev'))
  return cursor === null ? undefined : Number(cursor.primaryKey)
}

export async function find(
  transaction: Reading,
  records: Records,
  sequence: number,
): Promise<Found | undefined> {
  const first = await pageOf(transaction, sequence)
  if (first === undefined) return undefined
  const [heads, states] = await Promise.all([records.heads.get(first), records.states.get(first)])
  const at = sequence - first
  const head = heads?.rows[at] ?? undefined
  return head === undefined ? undefined : { first, at, head, state: states?.rows[at] ?? undefined }
}

function isListed(state: EntryState): boolean {
  return state !== 'waiting' && state !== 'delivered'
}

/** Changes rows of a page of states, which ends with the last entry that has one. */
export async function setStates(
  { states }: Records,
  first: number,
  changes: ReadonlyMap<number, State | null>,
): Promise<void> {
  const known = (await states.get(first))?.rows ?? []
  const length = Math.max(known.length, ...[...changes.keys()].map((at) => at + 1))
  const rows = Array.from({ length }, (_, at) => (changes.has(at) ? changes.get(at) : known[at]) ?? null)
  const listed = rows.flatMap((row, at) =>
    row !== null && isListed(row.state) ? [[row.state, first + at] as const] : [],
  )
  states.set(first, rows.every((row) => row === null) ? undefined : { first, rows, listed })
}

export function isSettled(row: State | null | undefined): boolean {
  return row?.state === 'delivered' || row?.state === 'discarded'
}

/** Settled entries of a page need no payload any more. */
export async function dropPayloads({ states, payloads }: Records, first: number): Promise<void> {
  const [known, page] = await Promise.all([states.get(first), payloads.get(first)])
  // What cannot be read now must not be lost for it.
  if (page === undefined) return
  const rows = page.rows.map((row, at) => (isSettled(known?.rows[at]) ? null : row))
  payloads.set(first, rows.every((row) => row === null) ? undefined : { first, rows })
}

/** The same for many pages of which the lengths are known: most go as a whole, and need not be read for it. */
export async function dropManyPayloads(
  transaction: Writing,
  records: Records,
  pages: readonly (readonly [first: number, length: number | undefined])[],
): Promise<void> {
  let run: number[] = []
  let next = 0
  const removeRun = (): void => {
    if (run.length > 0) records.payloads.removeRun(transaction, run, next)
    run = []
  }
  for (const [first, length] of pages.toSorted(([a], [b]) => a - b)) {
    const rows = (await records.states.get(first))?.rows ?? []
    if (rows.filter(isSettled).length !== length) {
      await dropPayloads(records, first)
      continue
    }
    // Nothing stands between pages that follow one another: they go with one request.
    if (first !== next) removeRun()
    run.push(first)
    next = first + length
  }
  removeRun()
}

/** Changes rows of a page of heads, with their entries in the indexes; a page that holds none is no page. */
export function setHeads({ heads }: Records, first: number, rows: readonly (Head | null)[]): void {
  const known = rows.filter((row) => row !== null)
  const keys = known.map(({ key }) => key)
  const after = known.flatMap((row) => row.after ?? [])
  heads.set(first, known.length === 0 ? undefined : { first, rows, keys, after })
}
