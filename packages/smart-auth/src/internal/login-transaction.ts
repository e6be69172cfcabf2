import { base64url } from 'jose'
import { AuthError } from '../errors.js'
import { isPatientMode, type PatientMode } from '../patient-mode.js'
import type { LoginTransactions, SecretStore } from '../secret-store.js'
import { isRecord, stringMember, type JsonRecord } from './json.js'
import type { LoginEndpoints } from './login-endpoints.js'

/** A secret that the server gave to a client for people's logins. */
export interface OwnSecret {
  readonly clientSecret: string
  readonly secretIn: 'header' | 'body'
}

/** What one login must remember between the way out and the way back. */
export interface LoginTransaction {
  readonly version: 1
  readonly account: string
  readonly fhirBaseUrl: string
  readonly audience: string
  readonly clientId: string
  /** Of a client that registered itself and was given a secret. */
  readonly ownSecret?: OwnSecret
  readonly redirectUri: string
  readonly endpoints: LoginEndpoints
  readonly mode: PatientMode
  readonly scope: string
  readonly state: string
  readonly codeVerifier: string
  readonly nonce?: string
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

const prefix = 'login:'

/** The name under which a login is kept: the state itself is a secret until it comes back. */
export async function transactionId(state: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(state))
  return prefix + base64url.encode(new Uint8Array(digest))
}

/** Logins under way in a store that has no place of its own for them. */
export function transactionsIn(store: SecretStore, now: () => number): LoginTransactions {
  if (store.transactions !== undefined) return store.transactions
  return {
    async put(id, record) {
      // Housekeeping only: whatever is wrong with another record, this login may begin.
      await forgetOverdue(store, now()).catch(() => undefined)
      await store.set(id, record)
    },
    take: (id) =>
      store.lock(id, async () => {
        const record = await store.get(id)
        if (record !== undefined) await store.delete(id)
        return record
      }),
  }
}

async function forgetOverdue(store: SecretStore, now: number): Promise<void> {
  for (const id of await store.ids()) {
    if (!id.startsWith(prefix)) continue
    const known = await store.get(id).catch(() => undefined)
    const expiresAt = known?.data['expiresAt']
    if (typeof expiresAt === 'number' && expiresAt < now) await store.delete(id)
  }
}

/** Whether a record has the form of version 1, as far as logins and sessions have it in common, and more texts. */
export function isComplete(data: JsonRecord, texts: string): boolean {
  return (
    data['version'] === 1 &&
    `account fhirBaseUrl clientId audience scope ${texts}`
      .split(' ')
      .every((name) => stringMember(data, name) !== undefined) &&
    isPatientMode(data['mode']) &&
    isRecord(data['endpoints'])
  )
}

export function parseTransaction(data: JsonRecord): LoginTransaction {
  const complete = isComplete(data, 'redirectUri state codeVerifier') && typeof data['expiresAt'] === 'number'
  if (!complete) {
    throw new AuthError('ERR_CREDENTIALS_UNREADABLE', 'The noted login is not in a form this release knows', {
      hint: 'Log in again.',
    })
  }
  return data as unknown as LoginTransaction
}
