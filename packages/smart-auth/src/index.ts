export { appStoreReceipt, type AppStoreReceiptOptions } from './app-store-receipt.js'
export { authFromSettings, type AuthFromSettingsOptions, type SmartSettings } from './auth-from-settings.js'
export {
  backendServices,
  type AssertionAlgorithm,
  type AssertionAudience,
  type BackendServicesOptions,
  type ExternalSigner,
  type SigningKey,
} from './backend-services.js'
export {
  beginLaunch,
  type BeginLaunchOptions,
  type BegunLaunch,
  type LoginEndpoints,
} from './begin-launch.js'
export { clientCredentials, type BasicEncoding, type ClientCredentialsOptions } from './client-credentials.js'
export { createClientKey, type ClientKey } from './client-key.js'
export {
  keyProof,
  secretProof,
  type ClientProof,
  type KeyProofOptions,
  type ProofRequest,
  type SecretProofOptions,
} from './client-proof.js'
export { completeLaunch, type CompleteLaunchOptions } from './complete-launch.js'
export {
  credentialsIn,
  memoryCredentialStore,
  type CredentialStore,
  type StoredClient,
  type StoredKey,
} from './credential-store.js'
export { discover, type DiscoverOptions, type SmartConfiguration } from './discover.js'
export { dynamicClient, type DynamicClient, type DynamicClientOptions } from './dynamic-client.js'
export { AuthError, type AuthErrorCode, type AuthErrorOptions, type ScopesInError } from './errors.js'
export {
  deleteRegistration,
  readRegistration,
  updateRegistration,
  type ManagedRegistration,
  type ManageRegistrationOptions,
} from './manage-registration.js'
export {
  forgetLoginRegistration,
  loginRegistration,
  type LoginClientRequest,
  type LoginRegistration,
  type LoginRegistrationOptions,
} from './login-registration.js'
export { loginScopes, type PatientMode } from './patient-mode.js'
export { registerClient, type RegisterClientOptions, type RegisteredClient } from './register-client.js'
export {
  deviceRegistration,
  softwareStatement,
  type DeviceRegistrationOptions,
  type RegistrationAddition,
  type RegistrationContext,
  type RegistrationMethod,
} from './registration-method.js'
export {
  introspect,
  revoke,
  type Introspection,
  type IntrospectOptions,
  type RevokeOptions,
} from './revoke.js'
export {
  compareScopes,
  covers,
  parseResourceScope,
  splitScopes,
  toV1Scopes,
  toV2Scopes,
  type CoversOptions,
  type Interaction,
  type ResourceScope,
  type ScopeDifference,
} from './scopes.js'
export {
  memorySecretStore,
  type LoginTransactions,
  type SecretLease,
  type SecretRecord,
  type SecretStore,
} from './secret-store.js'
export {
  selectPatient,
  type PatientChoice,
  type PatientSelection,
  type SelectPatientOptions,
} from './select-patient.js'
export {
  listSessions,
  restoreSession,
  type IdTokenClaims,
  type PatientSource,
  type Session,
  type SessionNotice,
  type SessionOptions,
  type SessionReference,
  type SessionSecrets,
  type UncertainRefresh,
} from './session.js'
export { storedSession } from './stored-session.js'
export type {
  AccessToken,
  AuthProfile,
  ConnectionOptions,
  Fetch,
  FetchInit,
  ServerOptions,
  TokenRequest,
  TokenSource,
  TraceEvent,
} from './types.js'
