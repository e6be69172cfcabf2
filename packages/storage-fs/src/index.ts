export type { FsFile, FsPort, ProcessIdentity } from './fs-port.js'
export { type FsInspection, inspectFsStorage, type InspectFsStorageOptions } from './inspect.js'
export { nodeFs } from './node-fs.js'
export { type FsSalvage, salvageFsStorage, type SalvageFsStorageOptions } from './salvage.js'
export {
  type FsRecovery,
  type FsStorage,
  type FsStorageLimits,
  type FsStorageOptions,
  openFsStorage,
} from './storage.js'
export { viewFsStorage, type ViewFsStorageOptions } from './view.js'
