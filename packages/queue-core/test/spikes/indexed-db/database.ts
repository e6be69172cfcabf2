import type { AttemptNote, DeadReason, Decision, EntryState, StoredNote } from '@fhir-outbox/queue-core'
import { openDB, type DBSchema, type IDBPDatabase, type IDBPTransaction } from 'idb'

/** An entry without its payload. Times are the storage's clock. */
export interface EntryRow {
  readonly sequence: number
  readonly lane: string
  readonly gate: string
  readonly key: string
  readonly after: readonly number[]
  readonly header: Uint8Array
  readonly payloadBytes: number
  readonly appendedAt: number
  readonly state: EntryState
  readonly deadReason?: DeadReason | undefined
  readonly attempts: number
  readonly dueAt: number
  readonly troubledSince?: number | undefined
  readonly mark?: AttemptNote | undefined
  /** When it was marked, until its settlement: without a live lease the entry is unknown. */
  readonly markedAt?: number | undefined
  readonly note?: Uint8Array | undefined
}

/** What the drainer holds, for the other tabs: they refuse to withdraw it. */
export interface LeaseRow {
  readonly id: string
  readonly sequences: readonly number[]
  readonly expiresAt: number
}

/** What another tab did to entries that the drainer has in its index already. */
export type NewsRow =
  | { readonly kind: 'hurry'; readonly at: number }
  | {
      readonly kind: Decision['kind']
      readonly at: number
      readonly sequence: number
      readonly payloadBytes: number
    }

export interface Meta {
  readonly lastSequence: number
  /** Counts commits that changed something. */
  readonly version: number
  /** Counts drainers: the fence. */
  readonly generation: number
  /** The latest time seen by anybody: the clock must not run backwards when tabs disagree. */
  readonly clock: number
  /** What a wipe has erased, for the audit. */
  readonly forgotten: { readonly delivered: number; readonly discarded: number }
}

interface Schema extends DBSchema {
  entries: { key: number; value: EntryRow; indexes: { key: string } }
  payloads: { key: number; value: Uint8Array }
  receipts: { key: string; value: Uint8Array }
  leases: { key: string; value: LeaseRow }
  news: { key: number; value: NewsRow }
  notes: { key: string; value: StoredNote }
  meta: { key: string; value: Meta }
}

type StoreName = 'entries' | 'payloads' | 'receipts' | 'leases' | 'news' | 'notes' | 'meta'
export type Database = IDBPDatabase<Schema>
export type Reading = IDBPTransaction<Schema, StoreName[], 'readonly'>
export type Writing = IDBPTransaction<Schema, StoreName[], 'readwrite'>

export const everything: StoreName[] = ['entries', 'payloads', 'receipts', 'leases', 'news', 'notes', 'meta']

export async function openDatabase(name: string): Promise<Database> {
  return await openDB<Schema>(name, 1, {
    upgrade(database) {
      database.createObjectStore('entries', { keyPath: 'sequence' }).createIndex('key', 'key')
      database.createObjectStore('leases', { keyPath: 'id' })
      database.createObjectStore('news', { autoIncrement: true })
      for (const store of ['payloads', 'receipts', 'notes', 'meta'] as const)
        database.createObjectStore(store)
    },
  })
}

export async function readMeta(transaction: Reading | Writing): Promise<Meta> {
  const known = await transaction.objectStore('meta').get('meta')
  return (
    known ?? {
      lastSequence: 0,
      version: 0,
      generation: 0,
      clock: 0,
      forgotten: { delivered: 0, discarded: 0 },
    }
  )
}
