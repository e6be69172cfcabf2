import type { ServerChoice } from '../platform/server.js'

const demoStore = 'fhir-outbox-demo'
const sealedSuffix = ' (sealed)'

/** Which outbox: every server has one of its own, sealed or not, as what was written for one never goes to another. */
export interface StoreChoice {
  readonly kind: ServerChoice['kind']
  readonly sealed: boolean
  /** Absent for the demo server, which is where the app is. */
  readonly baseUrl?: string
}

export function storeName({ kind, sealed, baseUrl = '' }: StoreChoice): string {
  return `${kind === 'demo' ? demoStore : `${demoStore} ${baseUrl}`}${sealed ? sealedSuffix : ''}`
}

/** Which outbox a database is; `undefined` for databases of other kinds. */
export function storeOf(name: string): StoreChoice | undefined {
  const sealed = name.endsWith(sealedSuffix)
  const plain = sealed ? name.slice(0, -sealedSuffix.length) : name
  if (plain === demoStore) return { kind: 'demo', sealed }
  const baseUrl = plain.slice(demoStore.length + 1)
  const named = plain.startsWith(`${demoStore} `) && URL.canParse(baseUrl)
  return named ? { kind: 'own', sealed, baseUrl } : undefined
}

/** Every outbox of this browser, by the name of its database. */
export async function allStores(): Promise<ReadonlyMap<string, StoreChoice>> {
  const found = new Map<string, StoreChoice>()
  for (const { name } of await indexedDB.databases()) {
    const store = name === undefined ? undefined : storeOf(name)
    if (name !== undefined && store !== undefined) found.set(name, store)
  }
  return found
}
