import { AuthError } from '../errors.js'
import type { PatientMode } from '../patient-mode.js'
import type { SecretStore } from '../secret-store.js'
import type { IdTokenClaims } from './id-token.js'
import { isRecord, type JsonRecord } from './json.js'
import type { LoginEndpoints } from './login-endpoints.js'
import { isComplete, type OwnSecret } from './login-transaction.js'
import { safeCause } from './redact.js'

/** How the patient of a session was found. */
export type PatientSource = 'server' | 'fhir-user' | 'only-visible' | 'chosen'

/** What is kept of a login. */
export interface SessionRecord {
  readonly version: 1
  /** Grows with every change. */
  readonly generation: number
  readonly account: string
  readonly fhirBaseUrl: string
  readonly clientId: string
  /** Of a client that registered itself and was given a secret. */
  readonly ownSecret?: OwnSecret
  readonly endpoints: LoginEndpoints
  /** The FHIR base as it was written in the authorization request. */
  readonly audience: string
  readonly mode: PatientMode
  readonly askedScope: string
  /** Of the current token. */
  readonly scope: string
  /** What the login granted, once a refresh may have given less. */
  readonly grantedScope?: string
  readonly token?: { readonly value: string; readonly expiresAt?: number; readonly lifetimeMs?: number }
  readonly refreshToken?: string
  readonly idToken?: string
  readonly claims?: IdTokenClaims
  /** The members of the token answer that are not tokens. */
  readonly context: JsonRecord
  readonly patient?: { readonly id: string; readonly source: PatientSource }
  /** Milliseconds since 1970. */
  readonly loggedInAt: number
  /** When a refresh was begun whose end is not known. */
  readonly refreshBegunAt?: number
}

/**
 * Whether two records are of one login, or of logins of the same person for the same patient. Whoever logs in later
 * under the same name may be somebody else, whose tokens are not for who is still at work.
 */
export function isSameLogin(one: SessionRecord, other: SessionRecord): boolean {
  const { claims: a, patient: from } = one
  const { claims: b, patient: to } = other
  if (a !== undefined && b !== undefined && (a.iss !== b.iss || a.sub !== b.sub)) return false
  const stated = from?.source === 'server' && to?.source === 'server'
  return !stated || from.id === to.id
}

export function sessionId(fhirBaseUrl: string, account: string): string {
  return `session:${account}:${fhirBaseUrl}`
}

function unreadable(): AuthError {
  return new AuthError(
    'ERR_CREDENTIALS_UNREADABLE',
    'The stored session is not in a form this release knows',
    {
      hint: 'Delete it and log in again.',
    },
  )
}

function parse(data: JsonRecord): SessionRecord {
  const complete =
    isComplete(data, 'askedScope') &&
    ['generation', 'loggedInAt'].every((name) => typeof data[name] === 'number') &&
    isRecord(data['context'])
  if (!complete) throw unreadable()
  // The store has checked that this is what was put in: the form of the whole is that of its version.
  return data as unknown as SessionRecord
}

/** Reads a session; rejects with ERR_CREDENTIALS_UNREADABLE when there is one that cannot be read. */
export async function loadSession(store: SecretStore, id: string): Promise<SessionRecord | undefined> {
  try {
    const record = await store.get(id)
    return record === undefined ? undefined : parse(record.data)
  } catch (error) {
    if (error instanceof AuthError) throw error
    throw new AuthError('ERR_CREDENTIALS_UNREADABLE', 'The session could not be read', {
      hint: 'Repair the store, or log in again.',
      cause: safeCause(error),
    })
  }
}

/** Saves a session as the next generation. */
export async function saveSession(store: SecretStore, record: SessionRecord): Promise<SessionRecord> {
  const next = { ...record, generation: record.generation + 1 }
  try {
    await store.set(sessionId(record.fhirBaseUrl, record.account), { data: { ...next } })
  } catch (error) {
    if (error instanceof AuthError) throw error
    throw new AuthError('ERR_CREDENTIALS_UNWRITABLE', 'The session could not be saved', {
      hint: 'Make room or grant access; it is kept in memory and saved on the next try.',
      cause: safeCause(error),
    })
  }
  return next
}
