export { copyStorage, type CopyOptions, type CopyResult } from './copy/copy-storage.js'
export { noSuchEntry, QueueError, type QueueErrorCode } from './errors.js'
export { keyIndex, type KeyIndex } from './lane-index/key-index.js'
export { keyTable, type KeyTable } from './lane-index/key-table.js'
export { dumpLaneIndex, laneIndex, loadLaneIndex } from './lane-index/lane-index.js'
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
export type { PerishableEntry } from './outbox/expiry.js'
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
export { leaseLost, noteConflict, queueFull, storageClosed, wrongState } from './refusals.js'
export { steadyClock, type SteadyClock } from './internal/steady-clock.js'
export type { RecordCipher } from './sealed/record-cipher.js'
export { sealedNoteName } from './sealed/foundation.js'
export { sealedRecords } from './sealed/sealed-records.js'
export { sealStorage, type SealStorageOptions } from './sealed/seal-storage.js'
export type { WipeRecord } from './outbox/wipe.js'
export { isLease } from './storage-port.js'
export type * from './storage-port.js'
export type * from './transport-port.js'
export {
  adapterLimits,
  checkDecision,
  checkDrafts,
  checkLeaseRequest,
  checkMarks,
  checkNote,
  checkNoteName,
  storageLimits,
  type StorageLimits,
} from './validate.js'
