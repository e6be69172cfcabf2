import type { QueueStorage } from '../storage-port.js'

/** The two functions of a test runner that the suite needs; vitest, Jest, Mocha and node:test all fit. */
export interface ContractRunner {
  describe(name: string, body: () => void): unknown
  it(name: string, body: () => Promise<void>): unknown
}

/** What an adapter gives the suite. */
export interface StorageContract {
  /** Title of the suite. */
  readonly name: string
  readonly runner: ContractRunner
  /** A fresh, empty storage that shares nothing with any other. */
  create(): Promise<QueueStorage>
  /** Advances the clock of the storages that `create` makes. */
  elapse(ms: number): void | Promise<void>
  /** Sets the clock that the adapter reads back, as a person or a network would. For adapters on a wall clock. */
  setBack?(ms: number): void | Promise<void>
  /** Opens the data of a storage again that the suite has closed. Needed unless durability is `memory`. */
  reopen?(closed: QueueStorage): Promise<QueueStorage>
  /** Another handle on the data of an open storage. Needed when appenders or drainers are `many`. */
  second?(storage: QueueStorage): Promise<QueueStorage>
  /**
   * Ends a storage as a killed process or a power cut would, then opens its data again. Needed for every
   * level that `supports.durability` claims: `process-crash` claims the first, `power-loss` both.
   */
  crash?(storage: QueueStorage, level: 'process' | 'power'): Promise<QueueStorage>
  /**
   * Spoils what an open storage keeps of a waiting entry, so that it cannot be read back. Without it, nothing is
   * asked about damage.
   */
  damage?(storage: QueueStorage, sequence: number): void | Promise<void>
  /**
   * Crash levels that are claimed but that this run cannot enact: no browser cuts the power. They are named in
   * the output, so that nobody takes them for proven.
   */
  readonly unproven?: readonly ('process' | 'power')[]
  /** Removes what `create` made, e.g. its folder. Called after each test, when all handles are closed. */
  destroy?(created: QueueStorage): void | Promise<void>
}

/** What one test of the suite works with. */
export interface Bench {
  readonly storage: QueueStorage
  elapse(ms: number): Promise<void>
  /** Where the adapter gave no hook for it, nothing happens. */
  setBack(ms: number): Promise<void>
  /** Watches the audit of one more handle and closes it at the end. */
  adopt(storage: QueueStorage): QueueStorage
  /** The adapter's own object behind an adopted handle: what its hooks expect. */
  raw(storage: QueueStorage): QueueStorage
  readonly contract: StorageContract
}

/** Registers one test. The storage is fresh and is closed afterwards. */
export type DefineTest = (name: string, body: (bench: Bench) => Promise<void>) => void
