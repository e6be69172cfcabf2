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
