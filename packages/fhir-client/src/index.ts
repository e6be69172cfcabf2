export { createFhirClient } from './client.js'
export type { FhirClient, FhirClientOptions } from './client.js'
export { FhirError, isFhirError } from './errors.js'
export type { FhirErrorCode, FhirErrorDetails, FhirIssue, RequestAborted, Sent } from './errors.js'
export type {
  BundleOptions,
  CreateOptions,
  DeleteOptions,
  ReturnPreference,
  UpdateOptions,
} from './interactions.js'
export { kySender } from './ky-sender.js'
export type { KySenderOptions } from './ky-sender.js'
export { parseLocation } from './location.js'
export type { ResourceAddress } from './location.js'
export { classifyNetworkFailure } from './network-failure.js'
export type { NetworkFailure } from './network-failure.js'
export type { CallOptions, FhirRequest } from './request.js'
export { isBundle } from './resources.js'
export type {
  Bundle,
  BundleEntry,
  BundleLink,
  CapabilityStatement,
  FhirResource,
  OperationOutcome,
  ResourceLike,
  ResourceMeta,
  Stored,
} from './resources.js'
export type { Expectation, FhirResponse, ResponseBody } from './response.js'
export type { SearchOptions, SearchPage } from './search.js'
export type { SearchParams, SearchValue } from './search-params.js'
export type { Sender, SendRequest } from './sender.js'
export type { AccessToken, TokenRequest, TokenSource } from './tokens.js'
