import type { EntryState } from '@fhir-outbox/queue-core'
import { answer, put, remove, type Reading, type Writing } from './requests.js'
import type { Head, Schema, State } from './schema.js'

type Paged = 'heads' | 'states' | 'payloads' | 'lanes'

/** Records of one store as one transaction sees them; what is set is written at its end, once. */
interface Cached<Name extends Paged> {
  get(key: Schema[Name]['key']): Promise<Schema[Name]['value'] | undefined>
  /** Fetched with others. */
  know(key: Schema[Name]['key'], value: Schema[Name]['value']): void
  set(key: Schema[Name]['key'], value: Schema[Name]['value'] | undefined): void
  flush(transaction: Writing): Promise<void>
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
  type Value = Schema[Name]['value'] | undefined
  const known = new Map<Schema[Name]['key'], Promise<Value>>()
  const changed = new Set<Schema[Name]['key']>()
  const inline = store === 'heads' || store === 'states'
  return {
    get(key) {
      const found = known.get(key) ?? fetched<Value>(transaction.objectStore(store).get(key))
      known.set(key, found)
      return found
    },
    know(key, value) {
      if (!known.has(key)) known.set(key, Promise.resolve(value))
    },
    set(key, value) {
      known.set(key, Promise.resolve(value))
      changed.add(key)
    },
    async flush(writing) {
      for (const key of changed) {
        const value = await known.get(key)
        if (value === undefined) remove(writing, store, key)
        else put(writing, store, value, inline ? undefined : key)
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

export async function findAt(records: Records, first: number, sequence: number): Promise<Found | undefined> {
  const [heads, states] = await Promise.all([records.heads.get(first), records.states.get(first)])
  const at = sequence - first
  const head = heads?.rows[at]
  return head === undefined || head === null
    ? undefined
    : { first, at, head, state: states?.rows[at] ?? undefined }
}

export async function find(
  transaction: Reading,
  records: Records,
  sequence: number,
): Promise<Found | undefined> {
  const first = await pageOf(transaction, sequence)
  return first === undefined ? undefined : await findAt(records, first, sequence)
}

function isListed(state: EntryState): boolean {
  return state !== 'waiting' && state !== 'delivered'
}

/** The rows of a page with these changes; `undefined` when nothing is left. */
function changed<Row>(
  known: readonly (Row | null)[] | undefined,
  changes: ReadonlyMap<number, Row | null>,
): readonly (Row | null)[] | undefined {
  const length = Math.max(known?.length ?? 0, ...[...changes.keys()].map((at) => at + 1))
  const rows = Array.from({ length }, (_, at): Row | null => {
    const change = changes.get(at)
    return change === undefined ? (known?.[at] ?? null) : change
  })
  return rows.every((row) => row === null) ? undefined : rows
}

/** Changes rows of a page of states, which ends with the last entry that has one. */
export async function setStates(
  { states }: Records,
  first: number,
  changes: ReadonlyMap<number, State | null>,
): Promise<void> {
  const rows = changed((await states.get(first))?.rows, changes)
  if (rows === undefined) return states.set(first, undefined)
  const listed = rows.flatMap((row, at) =>
    row !== null && isListed(row.state) ? [[row.state, first + at] as const] : [],
  )
  states.set(first, { first, rows, listed })
}

/** Changes payloads of a page. */
export async function setPayloads(
  { payloads }: Records,
  first: number,
  changes: ReadonlyMap<number, Uint8Array | null>,
): Promise<void> {
  payloads.set(first, changed(await payloads.get(first), changes))
}

/** After a settlement: what needs no payload any more, of a page with `length` entries. */
export async function dropPayloads(
  records: Records,
  first: number,
  length: number,
  gone: readonly number[],
): Promise<void> {
  const rows = (await records.states.get(first))?.rows ?? []
  const settled = rows.filter((row) => row?.state === 'delivered' || row?.state === 'discarded')
  // Nearly always the whole page goes, and need not be read for it.
  if (settled.length === length) records.payloads.set(first, undefined)
  else await setPayloads(records, first, new Map(gone.map((at) => [at, null])))
}

/** Changes rows of a page of heads, with their entries in the indexes; a page that holds none is no page. */
export function setHeads({ heads }: Records, first: number, rows: readonly (Head | null)[]): void {
  const known = rows.filter((row) => row !== null)
  const after = [...new Set(known.flatMap((row) => row.after ?? []))]
  const keys = known.map(({ key }) => key)
  heads.set(
    first,
    known.length === 0 ? undefined : { first, rows, keys, ...(after.length === 0 ? {} : { after }) },
  )
}
