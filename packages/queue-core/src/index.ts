export { QueueError, type QueueErrorCode } from './errors.js'
export { keyIndex, type KeyIndex } from './lane-index/key-index.js'
export { laneIndex } from './lane-index/lane-index.js'
export type {
  Correction,
  IndexedDraft,
  IndexedEntry,
  IndexedLease,
  LaneIndex,
  LaneIndexOptions,
  RestoredEntry,
  Retention,
} from './lane-index/types.js'
export { memoryStorage, type MemoryStorageOptions, type QueueLimits } from './memory-storage.js'
export { outboxDefaults, type BackoffBounds, type OutboxDefaults, type TryBounds } from './outbox/defaults.js'
export { defaultEnvironment, type OutboxEnvironment } from './outbox/environment.js'
export type { OutboxEvent } from './outbox/events.js'
export type { GateStatus } from './outbox/gates.js'
export {
  parseNote,
  type DecisionNote,
  type FailureNote,
  type Note,
  type PastEvent,
  type Receipt,
} from './outbox/notes.js'
export { openOutbox } from './outbox/outbox.js'
export type { Settled } from './outbox/settled.js'
export type {
  DecidedBy,
  FlushOptions,
  FlushProgress,
  FlushResult,
  Outbox,
  OutboxListQuery,
  OutboxOptions,
  RedriveOptions,
  StopOptions,
  WaitOptions,
} from './outbox/types.js'
export { isLease } from './storage-port.js'
export type * from './storage-port.js'
export type * from './transport-port.js'
export {
  checkDrafts,
  checkLeaseRequest,
  checkMarks,
  checkNote,
  storageLimits,
  type StorageLimits,
} from './validate.js'
