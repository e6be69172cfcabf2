import { asArray, isObject } from '../json.js'
import { isLive, type LiveVersion, type Resource, type StoredVersion } from './model.js'

/** What can be read of the store: as it stands, as it stood after a transaction, or a draft lying over it. */
export interface RepositoryView {
  current(type: string, id: string): StoredVersion | undefined
  versions(type: string, id: string): readonly StoredVersion[]
  /** Live resources, no order promised. With `keys`: a superset of those that carry one of them (see `keysOf`). */
  candidates(type: string, keys?: readonly string[]): Iterable<LiveVersion>
  types(): readonly string[]
}

export type ScanOrder = 'created' | 'id' | 'updated'

export interface Scan {
  /** Every type when left out. */
  readonly type?: string | undefined
  readonly keys?: readonly string[] | undefined
  readonly order: ScanOrder
  readonly descending?: boolean
  /** The cursor of the last row seen; the scan goes on behind it. */
  readonly after?: Cursor | undefined
  /** The transaction whose state is looked at; later writes do not show. */
  readonly t: number
}

/** A place in a scan: a number, or `id type` for the order by id. */
export type Cursor = number | string

export interface Scanned {
  readonly version: LiveVersion
  readonly cursor: Cursor
}

export interface Repository extends RepositoryView {
  /** The number of the last transaction; 0 before the first. */
  readonly lastT: number
  /** How many versions were ever written. */
  readonly length: number
  /** The time of the last version. */
  readonly lastAt: number
  /** Rows looked at by scans so far: the unit in which the cost of a page is counted. */
  readonly steps: number
  /** The state after transaction `t`. */
  view(t: number): RepositoryView
  /** The last transaction that was over at that time. */
  lastTAt(time: number): number
  /** Live resources of a stable view in a stable order. Starting behind a cursor costs no walk to get there. */
  scan(scan: Scan): Iterable<Scanned>
  /** Versions, newest first, starting below the sequence number `before`. */
  newest(type: string | undefined, before: number, t: number): Iterable<StoredVersion>
  commit(versions: readonly StoredVersion[]): void
  /** Forgets all versions of a resource but the current one. */
  dropHistory(type: string, id: string): void
  all(): Iterable<StoredVersion>
  clear(): void
}

interface Row {
  readonly first: number
  readonly type: string
  readonly id: string
  versions: StoredVersion[]
}

/** One type, or everything. */
interface Shelf {
  readonly rows: Row[]
  readonly log: StoredVersion[]
  byId: readonly Row[] | undefined
}

/** Identifier values, tag codes, and `ref:Type/id` for who a resource is about. */
function keysOf(resource: Resource): readonly string[] {
  const meta = resource['meta']
  const tags = isObject(meta) ? asArray(meta['tag']) : []
  const codes = tags.map((tag) => (isObject(tag) ? tag['code'] : undefined))
  const values = asArray(resource['identifier']).map((item) => (isObject(item) ? item['value'] : undefined))
  const subjects = [...asArray(resource['subject']), ...asArray(resource['patient'])].map((item) => {
    const target = isObject(item) ? referenceKey(item['reference']) : undefined
    return target === undefined ? undefined : `ref:${target}`
  })
  return [...codes, ...values, ...subjects].filter((key) => typeof key === 'string')
}

/** `Type/id` at the end of a reference, whatever stands before it and whichever version it names. */
export function referenceKey(reference: unknown): string | undefined {
  if (typeof reference !== 'string') return undefined
  return /(?:^|\/)([A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64})(?:\/_history\/[^/]+)?$/.exec(reference)?.[1]
}

const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b))
const idCursor = (row: Row): string => `${row.id} ${row.type}`

/** The first index at which `isBehind` holds, in a list where it holds from some place on. */
function bisect<T>(list: readonly T[], isBehind: (item: T) => boolean): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    const item = list[middle]
    if (item !== undefined && isBehind(item)) high = middle
    else low = middle + 1
  }
  return low
}

/** The items behind (or, descending, before) the place that `compare` finds. */
function* walk<T>(
  list: readonly T[],
  descending: boolean,
  compare: ((item: T) => number) | undefined,
): Iterable<T> {
  if (descending) {
    const end = compare === undefined ? list.length : bisect(list, (item) => compare(item) >= 0)
    for (let index = end - 1; index >= 0; index -= 1) yield list[index] as T
    return
  }
  const start = compare === undefined ? 0 : bisect(list, (item) => compare(item) > 0)
  for (let index = start; index < list.length; index += 1) yield list[index] as T
}

function lastUpTo(row: Row | undefined, t: number): StoredVersion | undefined {
  if (row === undefined) return undefined
  const last = row.versions.at(-1)
  return last === undefined || last.t <= t ? last : row.versions.findLast((version) => version.t <= t)
}

export function createRepository(): Repository {
  const everything: Shelf = { rows: [], log: [], byId: undefined }
  const shelves = new Map<string, Shelf>()
  const rows = new Map<string, Row>()
  const byKey = new Map<string, Row[]>()
  let steps = 0

  const shelfOf = (type: string | undefined): Shelf | undefined =>
    type === undefined ? everything : shelves.get(type)

  const index = (row: Row, resource: Resource): void => {
    // Never taken away again: an older view may still need it, and every candidate is looked at anyway.
    for (const key of keysOf(resource)) {
      const name = `${row.type} ${key}`
      const list = byKey.get(name)
      if (list === undefined) byKey.set(name, [row])
      else {
        const at = bisect(list, (other) => other.first >= row.first)
        if (list[at] !== row) list.splice(at, 0, row)
      }
    }
  }

  const store = (version: StoredVersion): void => {
    const name = `${version.type}/${version.id}`
    let shelf = shelves.get(version.type)
    if (shelf === undefined) {
      shelf = { rows: [], log: [], byId: undefined }
      shelves.set(version.type, shelf)
    }
    let row = rows.get(name)
    if (row === undefined) {
      row = { first: version.seq, type: version.type, id: version.id, versions: [] }
      rows.set(name, row)
      for (const one of [shelf, everything]) {
        one.rows.push(row)
        one.byId = undefined
      }
    }
    row.versions.push(version)
    shelf.log.push(version)
    everything.log.push(version)
    if (version.resource !== undefined) index(row, version.resource)
  }

  const view = (t: number): RepositoryView => ({
    types: () => [...shelves.keys()],
    current: (type, id) => lastUpTo(rows.get(`${type}/${id}`), t),
    versions: (type, id) => (rows.get(`${type}/${id}`)?.versions ?? []).filter((version) => version.t <= t),
    *candidates(type, keys) {
      const lists =
        keys === undefined ? [shelves.get(type)?.rows] : keys.map((key) => byKey.get(`${type} ${key}`))
      for (const row of new Set(lists.flatMap((list) => list ?? []))) {
        const version = lastUpTo(row, t)
        if (isLive(version)) yield version
      }
    },
  })

  const sorted = (shelf: Shelf): readonly Row[] => {
    shelf.byId ??= shelf.rows.toSorted((a, b) => byText(idCursor(a), idCursor(b)))
    return shelf.byId
  }

  function* scan({ type, keys, order, descending = false, after, t }: Scan): Iterable<Scanned> {
    const shelf = shelfOf(type)
    if (shelf === undefined) return
    if (order === 'updated') {
      const compare = typeof after === 'number' ? (one: StoredVersion) => one.seq - after : undefined
      for (const version of walk(shelf.log, descending, compare)) {
        steps += 1
        const row = rows.get(`${version.type}/${version.id}`)
        if (isLive(version) && lastUpTo(row, t) === version) yield { version, cursor: version.seq }
      }
      return
    }
    let list: readonly Row[] = order === 'id' ? sorted(shelf) : shelf.rows
    if (keys !== undefined && type !== undefined) {
      const found = keys.map((key) => byKey.get(`${type} ${key}`) ?? [])
      const only = found.length === 1 ? found[0] : undefined
      if (only !== undefined && order === 'created') list = only
      else {
        list = [...new Set(found.flat())].toSorted((a, b) =>
          order === 'id' ? byText(idCursor(a), idCursor(b)) : a.first - b.first,
        )
      }
    }
    let compare: ((row: Row) => number) | undefined
    if (order === 'id' && typeof after === 'string') compare = (row) => byText(idCursor(row), after)
    if (order === 'created' && typeof after === 'number') compare = (row) => row.first - after
    for (const row of walk(list, descending, compare)) {
      steps += 1
      const version = lastUpTo(row, t)
      if (isLive(version)) yield { version, cursor: order === 'id' ? idCursor(row) : row.first }
    }
  }

  return {
    ...view(Infinity),
    get lastT() {
      return everything.log.at(-1)?.t ?? 0
    },
    get length() {
      return everything.log.at(-1)?.seq ?? 0
    },
    get lastAt() {
      return everything.log.at(-1)?.at ?? -Infinity
    },
    get steps() {
      return steps
    },
    view,
    lastTAt: (time) => everything.log[bisect(everything.log, (version) => version.at > time) - 1]?.t ?? 0,
    scan,
    *newest(type, before, t) {
      const log = shelfOf(type)?.log ?? []
      for (const version of walk(log, true, (one: StoredVersion) => one.seq - before)) {
        steps += 1
        const row = rows.get(`${version.type}/${version.id}`)
        if (version.t <= t && row?.versions.includes(version) === true) yield version
      }
    },
    commit: (versions) => {
      for (const version of versions) store(version)
    },
    dropHistory: (type, id) => {
      const row = rows.get(`${type}/${id}`)
      if (row !== undefined) row.versions = row.versions.slice(-1)
    },
    *all() {
      // What `dropHistory` took is left out.
      for (const version of everything.log) {
        if (rows.get(`${version.type}/${version.id}`)?.versions.includes(version) === true) yield version
      }
    },
    clear: () => {
      for (const map of [shelves, rows, byKey]) map.clear()
      everything.rows.length = 0
      everything.log.length = 0
      everything.byId = undefined
    },
  }
}

/** Uncommitted writes over the newest state. Nothing shows below until `written` is given to `Repository.commit`. */
export interface Draft extends RepositoryView {
  /** The number that the transaction will have. */
  readonly t: number
  readonly written: readonly StoredVersion[]
  write(version: Omit<StoredVersion, 't' | 'seq'>): StoredVersion
}

export function createDraft(
  below: RepositoryView,
  base: { readonly t: number; readonly length: number },
): Draft {
  const written: StoredVersion[] = []
  const own = new Map<string, StoredVersion[]>()
  // `type key` (an empty key: all of the type) → names of the resources written here that have (or had) it.
  const names = new Map<string, Set<string>>()
  const versionsOf = (type: string, id: string): readonly StoredVersion[] => own.get(`${type}/${id}`) ?? []
  return {
    t: base.t,
    written,
    write: (draft) => {
      const version: StoredVersion = { ...draft, t: base.t, seq: base.length + written.length + 1 }
      written.push(version)
      const name = `${version.type}/${version.id}`
      own.set(name, [...(own.get(name) ?? []), version])
      const keys = version.resource === undefined ? [] : keysOf(version.resource)
      for (const key of ['', ...keys]) {
        const list = names.get(`${version.type} ${key}`)
        if (list === undefined) names.set(`${version.type} ${key}`, new Set([name]))
        else list.add(name)
      }
      return version
    },
    current: (type, id) => versionsOf(type, id).at(-1) ?? below.current(type, id),
    versions: (type, id) => [...below.versions(type, id), ...versionsOf(type, id)],
    types: () => [...new Set([...below.types(), ...written.map(({ type }) => type)])],
    *candidates(type, keys) {
      for (const version of below.candidates(type, keys)) {
        if (versionsOf(type, version.id).length === 0) yield version
      }
      const written = (keys ?? ['']).flatMap((key) => [...(names.get(`${type} ${key}`) ?? [])])
      for (const name of new Set(written)) {
        const last = own.get(name)?.at(-1)
        if (isLive(last)) yield last
      }
    },
  }
}
