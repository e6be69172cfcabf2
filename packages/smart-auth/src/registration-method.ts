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
  /** Called after the server has answered, whatever it said: the time to revoke an initial access token. */
  readonly after?: () => Promise<void>
}

/**
 * A way to prove that this app may register: a plug-in for `dynamicClient`. `prepare` is called anew for
 * each registration, so that a receipt or an attestation is read when it is needed.
 *
 * An attestation of your own is an object with these three members: have `prepare` put the platform's statement into
 * `members` or `headers`, name it in `secrets`, and bind it to `keyThumbprint` where the platform takes a nonce.
 */
export interface RegistrationMethod {
  /** The habits of the server it is made for. */
  readonly profile: AuthProfile
  /**
   * What the client shall authenticate with later: `key`, a key made here, by signed assertion; `secret`, a secret the
   * server gives; `device-key`, a key made here whose assertion is the grant itself (jwt-bearer, RFC 7523).
   */
  readonly credential: 'key' | 'secret' | 'device-key'
  prepare(context: RegistrationContext): Promise<RegistrationAddition>
}

/** Registration by the client's own new key, without a proof. */
export const keyRegistration: RegistrationMethod = Object.freeze({
  profile: 'smart',
  credential: 'key',
  prepare: async () => ({ members: {} }),
})

/** Registration for a secret, without a proof. */
export const secretRegistration: RegistrationMethod = Object.freeze({
  profile: 'smart',
  credential: 'secret',
  prepare: async () => ({ members: {} }),
})

export interface DeviceRegistrationOptions {
  /** Id of the app that this device's client belongs to, as the server knows it. */
  readonly softwareId: string
  /**
   * Gets the token that allows this one registration, for instance from a login with scope
   * `system/DynamicClient.register`. Held in memory only, and only while registering.
   */
  readonly initialAccessToken: () => Promise<string>
  /** Revokes that token when the registration is over. */
  readonly revoke?: (initialAccessToken: string) => Promise<void>
}

/**
 * A client for this one device: a key that never leaves it, registered with a token from a person's login; from then
 * on each access token is asked for by a signed assertion alone (SMART protected dynamic registration).
 */
export function deviceRegistration(options: DeviceRegistrationOptions): RegistrationMethod {
  return {
    profile: 'smart',
    credential: 'device-key',
    async prepare() {
      const initialAccessToken = await options.initialAccessToken()
      const { revoke, softwareId } = options
      return {
        members: { software_id: softwareId },
        initialAccessToken,
        secrets: [initialAccessToken],
        ...(revoke === undefined ? {} : { after: () => revoke(initialAccessToken) }),
      }
    },
  }
}

/** Registration by a software statement: a signed description of the app whose claims win over plain members. */
export function softwareStatement(
  statement: string,
  credential: 'key' | 'secret' = 'key',
): RegistrationMethod {
  return {
    profile: 'smart',
    credential,
    prepare: async () => ({ members: { software_statement: statement }, secrets: [statement] }),
  }
}
