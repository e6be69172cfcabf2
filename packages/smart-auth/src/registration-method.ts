import type { AuthProfile } from './types.js'

/** What a registration method is told before each registration. */
export interface RegistrationContext {
  readonly registrationEndpoint: string
  /** RFC 7638 thumbprint of the key being registered, to bind an attestation to it. */
  readonly keyThumbprint?: string
}

/** What a registration method adds to the request. */
export interface RegistrationAddition {
  /** More members of the JSON body. */
  readonly members: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as Bearer token; never kept. */
  readonly initialAccessToken?: string
  /** Values above that must never show up in an error. */
  readonly secrets?: readonly string[]
}

/**
 * A way to prove that this app may register: a plug-in for `dynamicClient`. `prepare` is called anew for
 * each registration, so that a receipt or an attestation is read when it is needed.
 */
export interface RegistrationMethod {
  /** The habits of the server it is made for. */
  readonly profile: AuthProfile
  /** What the client shall authenticate with later: a key made here, or a secret the server gives. */
  readonly credential: 'key' | 'secret'
  prepare(context: RegistrationContext): Promise<RegistrationAddition>
}

/** Registration by the client's own new key, without a proof. */
export const keyRegistration: RegistrationMethod = Object.freeze({
  profile: 'smart',
  credential: 'key',
  prepare: async () => ({ members: {} }),
})
