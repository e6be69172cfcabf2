import { runIdbContract, steal } from './support/contract.js'

runIdbContract({ name: 'IndexedDB in a browser', locks: navigator.locks, steal, sealed: false })
