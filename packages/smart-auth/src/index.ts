export { appStoreReceipt, type AppStoreReceiptOptions } from './app-store-receipt.js'
export {
  backendServices,
  type AssertionAlgorithm,
  type AssertionAudience,
  type BackendServicesOptions,
  type ExternalSigner,
  type SigningKey,
} from './backend-services.js'
export { clientCredentials, type BasicEncoding, type ClientCredentialsOptions } from './client-credentials.js'
export { createClientKey, type ClientKey } from './client-key.js'
export { memoryCredentialStore, type CredentialStore, type StoredClient } from './credential-store.js'
export { discover, type DiscoverOptions, type SmartConfiguration } from './discover.js'
export { dynamicClient, type DynamicClient, type DynamicClientOptions } from './dynamic-client.js'
export { AuthError, type AuthErrorCode, type AuthErrorOptions } from './errors.js'
export { registerClient, type RegisterClientOptions, type RegisteredClient } from './register-client.js'
export type { RegistrationAddition, RegistrationContext, RegistrationMethod } from './registration-method.js'
export type {
  AccessToken,
  AuthProfile,
  ConnectionOptions,
  Fetch,
  FetchInit,
  ServerOptions,
  TokenRequest,
  TokenSource,
} from './types.js'
