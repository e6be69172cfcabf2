import { appStoreReceipt, type AppStoreReceiptOptions } from './app-store-receipt.js'
import { clientCredentials } from './client-credentials.js'
import type { CredentialStore } from './credential-store.js'
import { dynamicClient } from './dynamic-client.js'
import { AuthError } from './errors.js'
import { omitUndefined } from './internal/omit-undefined.js'
import { secretRegistration, type RegistrationMethod } from './registration-method.js'
import type { ConnectionOptions, TokenSource } from './types.js'

/** The settings object of C3-PRO and Swift-SMART, in its own spelling. Members that are not listed are ignored. */
export interface SmartSettings {
  readonly client_id?: string
  readonly client_secret?: string
  readonly client_name?: string
  readonly scope?: string
  /** Also the token endpoint when `token_uri` is missing. */
  readonly authorize_uri?: string
  readonly token_uri?: string
  readonly registration_uri?: string
  /** `client_credentials` is what unattended senders use; `none` is an open server. */
  readonly authorize_type?: string
  readonly secret_in_body?: boolean
  readonly redirect_uris?: readonly string[]
  readonly logo_uri?: string
}

export interface AuthFromSettingsOptions extends ConnectionOptions {
  /** The FHIR base URL, as the settings go with it; sent as `aud`. */
  readonly baseUrl: string
  readonly settings: SmartSettings
  /** Keeps what a registration gives. Needed when the settings have no client id. */
  readonly credentials?: CredentialStore
  /** How to prove that the app may register, by App Store receipt. */
  readonly receipt?: AppStoreReceiptOptions
  /** Chooses another registrar when the registration address is known. */
  readonly beforeRegistration?: (
    registrationEndpoint: string,
  ) => RegistrationMethod | undefined | Promise<RegistrationMethod | undefined>
}

function invalid(message: string, hint: string): AuthError {
  return new AuthError('ERR_INVALID_OPTIONS', message, { hint })
}

/**
 * The token source that C3-PRO or Swift-SMART settings describe, with the habits of the C3-PRO server; undefined for an
 * open server. With a client id: its credentials; without: registration, the first time a token is needed.
 *
 * Throws `ERR_INVALID_OPTIONS` and `ERR_INSECURE_URL`. Settings for a person's login (`authorization_code`, `implicit`)
 * are refused: use `beginLaunch`.
 *
 * @example
 * const tokens = authFromSettings({ baseUrl, settings: { client_id, client_secret, authorize_uri } })
 */
export function authFromSettings(options: AuthFromSettingsOptions): TokenSource | undefined {
  const { settings, baseUrl } = options
  const type = settings.authorize_type ?? 'client_credentials'
  if (type === 'none') return undefined
  if (type !== 'client_credentials') {
    throw invalid(
      `authorize_type ${/^\w{1,40}$/.test(type) ? type : 'is not known or'} needs a person`,
      'Use beginLaunch.',
    )
  }
  const tokenEndpoint = settings.token_uri ?? settings.authorize_uri
  const { fetch, now, random, timeoutMs, trace } = options
  const shared = {
    ...omitUndefined({ fetch, now, random, timeoutMs, trace }),
    fhirBaseUrl: baseUrl,
    audience: baseUrl,
    ...(tokenEndpoint === undefined ? {} : { tokenEndpoint }),
  }
  const {
    client_id: clientId,
    client_secret: clientSecret,
    registration_uri: registrationEndpoint,
    scope,
  } = settings
  if (clientId !== undefined && clientId !== '') {
    if (clientSecret === undefined || clientSecret === '') {
      throw invalid(
        'client_id is given without client_secret',
        'Add client_secret, or leave client_id out to register.',
      )
    }
    return clientCredentials({
      ...shared,
      clientId,
      clientSecret,
      profile: 'c3-pro',
      secretIn: settings.secret_in_body === true ? 'body' : 'header',
      ...(scope === undefined ? {} : { scope }),
    })
  }
  if (registrationEndpoint === undefined || options.credentials === undefined) {
    throw invalid(
      'There is no client_id, and no way to register',
      'Give client_id, or registration_uri and credentials.',
    )
  }
  return dynamicClient({
    ...shared,
    registrationEndpoint,
    credentials: options.credentials,
    registration:
      options.receipt === undefined
        ? { ...secretRegistration, profile: 'c3-pro' }
        : appStoreReceipt(options.receipt),
    clientName: settings.client_name ?? 'FHIR Outbox',
    scope: scope ?? 'user/*.* openid profile',
    metadata: omitUndefined({
      redirect_uris: settings.redirect_uris,
      logo_uri: settings.logo_uri,
      token_endpoint_auth_method: settings.secret_in_body === true ? 'client_secret_post' : undefined,
    }),
    ...omitUndefined({ beforeRegistration: options.beforeRegistration }),
  })
}
