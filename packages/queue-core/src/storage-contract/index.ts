import { appendTests, onceTests } from './append.js'
import { testsOf } from './bench.js'
import { clockTests } from './clock.js'
import { crashTests } from './crash.js'
import { damageTests } from './damage.js'
import { decisionTests } from './decide.js'
import { holdTests } from './holds.js'
import { leaseTests } from './lease.js'
import { lifecycleTests } from './lifecycle.js'
import { manyTests } from './many.js'
import { markTests } from './marks.js'
import { noteTests, queryTests } from './queries.js'
import { settleTests } from './settle.js'
import { wipeTests } from './wipe.js'
import type { DefineTest, StorageContract } from './types.js'

export type { ContractRunner, StorageContract } from './types.js'

const topics: readonly [string, (test: DefineTest, contract: StorageContract) => void][] = [
  ['append', appendTests],
  ['once', onceTests],
  ['lease', leaseTests],
  ['marks', markTests],
  ['settle', settleTests],
  ['holds', holdTests],
  ['decisions', decisionTests],
  ['read, list, stats, watch', queryTests],
  ['notes', noteTests],
  ['wipe', wipeTests],
  ['damage', damageTests],
  ['open and close', lifecycleTests],
  ['the clock', clockTests],
  ['crash', (test, { unproven }) => crashTests(test, unproven)],
  ['several handles', manyTests],
]

/**
 * Registers the tests that every `QueueStorage` must pass. The audit is checked around every changing call of
 * every test. What a storage declares in `supports` decides what is asked of it; a hook that is missing for
 * something it claims is a failing test.
 */
export function runStorageContract(contract: StorageContract): void {
  const test = testsOf(contract)
  contract.runner.describe(contract.name, () => {
    for (const [topic, define] of topics) {
      contract.runner.describe(topic, () => define(test, contract))
    }
  })
}
