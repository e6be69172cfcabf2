import type { QueueStorage } from '@fhir-outbox/queue-core'
import type { FsPort } from '../fs-port.js'

/** What storage in files on this file system promises. */
export function supportsOf(fs: FsPort): QueueStorage['supports'] {
  return {
    durability: fs.powerSafe ? 'power-loss' : 'process-crash',
    appenders: 'one',
    drainers: 'one',
    evictable: false,
  }
}
