import { asArray, isObject } from '../json.js'
import type { Resource, StoredVersion } from './model.js'

/** What can be read of the store: the committed state, or a draft lying over it. */
export interface RepositoryView {
  current(type: string, id: string): StoredVersion | undefined
  versions(type: string, id: string): readonly StoredVersion[]
  /** Versions that exist now (deletions left out), oldest resource first. */
  live(type: string): Iterable<StoredVersion>
  /** A superset of the live resources that carry `key` as identifier value or tag code. */
  withKey(type: string, key: string): Iterable<StoredVersion>
}

/** Uncommitted writes over a view. Nothing shows below until `written` is given to `Repository.commit`. */
export interface Draft extends RepositoryView {
  readonly written: readonly StoredVersion[]
  write(version: StoredVersion): void
}

export interface Repository extends RepositoryView {
  commit(versions: readonly StoredVersion[]): void
  types(): readonly string[]
  all(): Iterable<StoredVersion>
  clear(): void
}

interface Shelf {
  readonly rows: Map<string, StoredVersion[]>
  readonly byKey: Map<string, Set<string>>
}

function keysOf(resource: Resource | undefined): readonly string[] {
  if (resource === undefined) return []
  const meta = resource['meta']
  const tags = isObject(meta)
    ? asArray(meta['tag']).map((tag) => (isObject(tag) ? tag['code'] : undefined))
    : []
  const values = asArray(resource['identifier']).map((item) => (isObject(item) ? item['value'] : undefined))
  return [...tags, ...values].filter((key) => typeof key === 'string')
}

export function createRepository(): Repository {
  const shelves = new Map<string, Shelf>()
  const current = (type: string, id: string): StoredVersion | undefined =>
    shelves.get(type)?.rows.get(id)?.at(-1)

  const store = (version: StoredVersion): void => {
    let shelf = shelves.get(version.type)
    if (shelf === undefined) {
      shelf = { rows: new Map(), byKey: new Map() }
      shelves.set(version.type, shelf)
    }
    for (const key of keysOf(current(version.type, version.id)?.resource))
      shelf.byKey.get(key)?.delete(version.id)
    const row = shelf.rows.get(version.id)
    if (row === undefined) shelf.rows.set(version.id, [version])
    else row.push(version)
    for (const key of keysOf(version.resource)) {
      const ids = shelf.byKey.get(key)
      if (ids === undefined) shelf.byKey.set(key, new Set([version.id]))
      else ids.add(version.id)
    }
  }

  return {
    current,
    versions: (type, id) => shelves.get(type)?.rows.get(id) ?? [],
    *live(type) {
      for (const row of shelves.get(type)?.rows.values() ?? []) {
        const last = row.at(-1)
        if (last?.resource !== undefined) yield last
      }
    },
    *withKey(type, key) {
      for (const id of shelves.get(type)?.byKey.get(key) ?? []) {
        const last = current(type, id)
        if (last?.resource !== undefined) yield last
      }
    },
    commit: (versions) => {
      for (const version of versions) store(version)
    },
    types: () => [...shelves.keys()],
    *all() {
      for (const shelf of shelves.values()) for (const row of shelf.rows.values()) yield* row
    },
    clear: () => shelves.clear(),
  }
}

export function createDraft(below: RepositoryView): Draft {
  const written: StoredVersion[] = []
  const rows = new Map<string, Map<string, StoredVersion[]>>()

  function* over(
    type: string,
    base: Iterable<StoredVersion>,
    known: (id: string) => boolean,
  ): Iterable<StoredVersion> {
    const own = rows.get(type)
    for (const version of base) {
      const last = own?.get(version.id)?.at(-1)
      if (last === undefined) yield version
      else if (last.resource !== undefined) yield last
    }
    for (const [id, versions] of own ?? []) {
      const last = versions.at(-1)
      if (last?.resource !== undefined && !known(id)) yield last
    }
  }

  return {
    written,
    write: (version) => {
      written.push(version)
      let own = rows.get(version.type)
      if (own === undefined) {
        own = new Map()
        rows.set(version.type, own)
      }
      const row = own.get(version.id)
      if (row === undefined) own.set(version.id, [version])
      else row.push(version)
    },
    current: (type, id) => rows.get(type)?.get(id)?.at(-1) ?? below.current(type, id),
    versions: (type, id) => [...below.versions(type, id), ...(rows.get(type)?.get(id) ?? [])],
    live: (type) => over(type, below.live(type), (id) => below.current(type, id)?.resource !== undefined),
    withKey: (type, key) => {
      const base = [...below.withKey(type, key)]
      const ids = new Set(base.map((version) => version.id))
      return over(type, base, (id) => ids.has(id))
    },
  }
}
