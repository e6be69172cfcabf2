export { openDataQueue, openEncryptedDataQueue } from './data-queue.js'
export type {
  AwaitedWriteOptions,
  DataQueue,
  DataQueueOptions,
  EncryptedDataQueueOptions,
  Enqueued,
  EnqueueOptions,
  Preview,
  QueuedWrite,
  WriteOptions,
} from './data-queue.js'
export type { Encryption, Sealer } from './encryption.js'
export { DataQueueError } from './errors.js'
export type { DataQueueErrorCode } from './errors.js'
export type { ResourceInput } from './json.js'
export { choosePlan } from './plan.js'
export type { KeyMode, Plan, PlanName, Receiver } from './plan.js'
export type { Delivered, Queued, Rejected, WriteResult } from './results.js'
export { fhirTransport } from './transport.js'
export type { Endpoint, Endpoints } from './transport.js'
