export type { CanaryOptions } from './canaries.js'
export { openDataQueue, openEncryptedDataQueue } from './data-queue.js'
export type { BundleLimits, Conflict, DeliveryEvent, DeliveryOptions, Endpoint } from './destination.js'
export { combineEvidence, createDossier } from './dossier.js'
export type { Dossier, DossierOptions } from './dossier.js'
export type { Encryption, SealedFor, Sealer } from './encryption.js'
export { DataQueueError } from './errors.js'
export type { DataQueueErrorCode } from './errors.js'
export type { CanaryFindings, Evidence, Learned, LearnedType, TypeEvidence } from './evidence.js'
export { gatherEvidence } from './gather.js'
export type { GatherOptions, ScopeSource } from './gather.js'
export type { ConflictPolicy } from './header.js'
export type { ResourceInput } from './json.js'
export { laneBySubject } from './lanes.js'
export { choosePlan } from './plan.js'
export type { ForcedPlan, KeyMode, Plan, PlanName, PlanRequest, Receiver } from './plan.js'
export { planReport } from './report.js'
export type { Delivered, Queued, Rejected, WriteResult } from './results.js'
export { fhirTransport } from './transport.js'
export type { Endpoints } from './transport.js'
export type {
  AwaitedWriteOptions,
  DataQueue,
  DataQueueEvent,
  DataQueueOptions,
  EncryptedDataQueueOptions,
  Enqueued,
  EnqueueOptions,
  PlanReport,
  Preview,
  QueuedWrite,
  RedriveWrite,
  WriteOptions,
} from './types.js'
