import { runIdbContract, steal } from './support/contract.js'

// The same transactions, but nobody waits for the disk: the other contract has done that already.
const { transaction } = IDBDatabase.prototype
IDBDatabase.prototype.transaction = function relaxed(stores, mode) {
  return transaction.call(this, stores, mode, { durability: 'relaxed' })
}

runIdbContract({ name: 'IndexedDB in a browser, sealed', locks: navigator.locks, steal, sealed: true })
