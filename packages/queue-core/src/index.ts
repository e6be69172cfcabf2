export { QueueError, type QueueErrorCode } from './errors.js'
export { isLease } from './storage-port.js'
export type * from './storage-port.js'
export type * from './transport-port.js'
