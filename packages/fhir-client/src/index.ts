export { createFhirClient } from './client.js'
export type { FhirClient, FhirClientOptions } from './client.js'
export { FhirError, isFhirError } from './errors.js'
export type { FhirErrorCode, FhirErrorDetails, FhirIssue, RequestAborted, Sent } from './errors.js'
export type { AsyncDone, AsyncJob, AsyncStep, Cancellation, CancelOutcome, WaitOptions } from './async-job.js'
export type { CompressRequests } from './compression.js'
export type { RequestBody } from './body.js'
export type { Condition, Preconditions, ReturnPreference } from './conditions.js'
export type { HistoryOptions, HistoryPage, HistoryScope, HistoryVersion } from './history.js'
export type {
  BundleBody,
  BundleOptions,
  CreateOptions,
  DeleteOptions,
  Patch,
  PatchOperation,
  PatchOptions,
  ReadOptions,
  UpdateOptions,
} from './interactions.js'
export { kySender } from './ky-sender.js'
export type { KySenderOptions } from './ky-sender.js'
export { parseLocation } from './location.js'
export type { ResourceAddress } from './location.js'
export { classifyNetworkFailure } from './network-failure.js'
export type { NetworkFailure } from './network-failure.js'
export { operationRequest } from './operation.js'
export type { OperationOptions, OperationPagesOptions } from './operation.js'
export type { PageBase, PageRelation, WalkOptions } from './paging.js'
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
  ResourceOf,
  Stored,
  TypeName,
} from './resources.js'
export type { Expectation, FhirResponse, ResponseBody } from './response.js'
export type { PagesOptions, SearchOptions, SearchPage } from './search.js'
export type { SearchParams, SearchValue } from './search-params.js'
export type { ResponseHeaders, Sender, SenderResponse, SendRequest } from './sender.js'
export type { AccessToken, TokenRequest, TokenSource } from './tokens.js'
