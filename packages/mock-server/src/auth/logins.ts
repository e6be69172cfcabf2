import type { OnBehalf } from './credentials.js'

/** A person who can log in on the pages. The password stands here in clear: it is a test server. */
export interface MockUser {
  readonly username: string
  readonly password: string
  /** `Patient/1`, `Practitioner/2` and the like: what `fhirUser` of the id_token says. */
  readonly fhirUser?: string
  /** Ids of the patients this person may see. Default: the own one of a patient, else all. */
  readonly patients?: readonly string[]
}

/** How logins are decided without anybody at the pages. */
export interface Approval {
  readonly username: string
  /** The patient to choose where several are visible. */
  readonly patient?: string
  /** The scopes to grant of those asked for; default all. */
  readonly scope?: string
  /** `true`: the person says no. */
  readonly deny?: boolean
}

/** What an EHR knows when it launches an app. */
export interface Launch {
  readonly patient?: string
  readonly encounter?: string
}

export interface AuthorizeRequest {
  readonly clientId: string
  readonly redirectUri: string
  readonly scope: string
  readonly state: string
  readonly codeChallenge: string
  readonly nonce?: string
  readonly launch?: Launch
  readonly root: string
}

/** A login that somebody is in the middle of. */
export interface PendingLogin {
  readonly request: AuthorizeRequest
  /** Known after the login page. */
  readonly username?: string
  readonly expiresAt: number
}

/** What a person agreed to: everything issued for it is revoked with it. */
export interface Grant extends OnBehalf {
  readonly id: string
  readonly clientId: string
  readonly scope: string
  readonly fhirUser?: string
  readonly nonce?: string
}

export interface AuthCode {
  readonly grantId: string
  readonly redirectUri: string
  readonly codeChallenge: string
  readonly expiresAt: number
  readonly used: boolean
}

export interface RefreshToken {
  readonly grantId: string
  readonly used: boolean
}

/** Everything about logins, as plain data. */
export interface Logins {
  readonly users: Map<string, MockUser>
  readonly launches: Map<string, Launch>
  readonly pending: Map<string, PendingLogin>
  readonly grants: Map<string, Grant>
  readonly codes: Map<string, AuthCode>
  readonly refreshTokens: Map<string, RefreshToken>
  approval: Approval | undefined
}

export function createLogins(): Logins {
  return {
    users: new Map(),
    launches: new Map(),
    pending: new Map(),
    grants: new Map(),
    codes: new Map(),
    refreshTokens: new Map(),
    approval: undefined,
  }
}

/** Ids of the patients a user may see; `undefined` for all. */
export function visibleTo({ patients, fhirUser }: MockUser): readonly string[] | undefined {
  if (patients !== undefined) return patients
  const [type, id] = (fhirUser ?? '').split('/')
  return type === 'Patient' && id !== undefined ? [id] : undefined
}
