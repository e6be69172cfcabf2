import 'fake-indexeddb/auto'
import { runIdbContract } from './support/contract.js'
import { processLocks } from './support/process-locks.js'

const locks = processLocks()
runIdbContract({ name: 'IndexedDB in Node', locks, steal: locks.steal, sealed: false })
runIdbContract({ name: 'IndexedDB in Node, sealed', locks, steal: locks.steal, sealed: true })
runIdbContract({ name: 'IndexedDB in Node, the lease in the database', locks: null, sealed: false })
