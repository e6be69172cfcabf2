import type { Credentials } from './credentials.js'
import type { Logins } from './logins.js'
import type { SigningKeys } from './signing-keys.js'

/** What every route of the authorization server works on. */
export interface AuthParts {
  readonly credentials: Credentials
  readonly logins: Logins
  readonly signingKeys: SigningKeys
  readonly tokenSeconds: number
  newId(): string
  /** The patients in the store, with a name to show. */
  patients(): readonly { readonly id: string; readonly name: string }[]
}
