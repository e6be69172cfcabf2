import { memoryData, memoryHandle } from '../memory-storage.js'
import type { QueueStorage } from '../storage-port.js'
import type { SeededRandom } from '../internal/random.js'

/** What a simulated world gives a storage. */
export interface SimulationKit {
  readonly seed: number
  /** Virtual milliseconds; they never run backwards. */
  now(): number
  /** Its own numbers: drawing from them changes nothing else. */
  readonly random: SeededRandom
}

/** A store that can be opened, and can lose its process. */
export interface SimulatedStore {
  /** Opens it: empty the first time, then with what has survived. */
  open(): Promise<QueueStorage>
  /** Ends the open storage as a killed process or a power cut would. Calls under way may or may not count. */
  crash(): Promise<void>
}

/** Memory that outlives its process: every call is durable as soon as it was made. */
export function survivingMemory(kit: SimulationKit): SimulatedStore {
  const data = memoryData({ now: () => kit.now() })
  const supports = {
    durability: 'process-crash',
    appenders: 'one',
    drainers: 'one',
    evictable: false,
  } as const
  let open: QueueStorage | undefined
  return {
    async open() {
      data.index.abandonLeases(kit.now())
      open = memoryHandle(data, supports)
      return open
    },
    async crash() {
      await open?.close()
    },
  }
}
