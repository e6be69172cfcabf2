export { openIdbStorage, type IdbStorage, type IdbStorageEvent, type IdbStorageOptions } from './storage.js'
export type { Locks } from './internal/right.js'
