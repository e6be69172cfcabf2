import { type EntryDraft, queueFull } from '@fhir-outbox/queue-core'
import { storageFailed } from '../errors.js'
import type { FsPort } from '../fs-port.js'

/** Watches free disk space without asking for it at every append. */
export interface Room {
  /** Asks once, so that the first append need not. */
  look(): Promise<void>
  /** Whether the drafts surely fit. `false` means: ask `make`. */
  fits(drafts: readonly EntryDraft[], now: number): boolean
  /** Looks again. Rejects with `ERR_QUEUE_FULL` when too little would be left. */
  make(drafts: readonly EntryDraft[]): Promise<void>
  spend(bytes: number): void
}

/** How long an answer of the file system is trusted: others fill the disk too. */
const FRESH_MS = 1000

function sizeOf(drafts: readonly EntryDraft[]): number {
  return drafts.reduce((sum, draft) => sum + draft.payload.length + draft.header.length + 256, 0)
}

export function createRoom(fs: FsPort, directory: string, keepFree: number, clock: () => number): Room {
  let free: number | undefined
  let askedAt = -Infinity
  let asking: Promise<void> | undefined

  async function ask(): Promise<void> {
    try {
      free = (await fs.freeBytes(directory)) ?? Infinity
    } catch (error) {
      throw storageFailed(`the free space of ${directory} cannot be found out`, error)
    }
    askedAt = clock()
  }

  /** Asks beside the work; a failure here shows when the answer is needed. */
  function refresh(): void {
    asking ??= ask()
      .catch(() => undefined)
      .finally(() => {
        asking = undefined
      })
  }

  return {
    look: async () => {
      if (keepFree > 0) await ask()
    },
    fits: (drafts, now) => {
      if (keepFree <= 0) return true
      const age = now - askedAt
      if (free === undefined || age > 60 * FRESH_MS) return false
      if (age > FRESH_MS) refresh()
      return free - sizeOf(drafts) >= keepFree
    },
    make: async (drafts) => {
      if (keepFree <= 0) return
      await ask()
      const left = (free ?? Infinity) - sizeOf(drafts)
      if (left >= keepFree) return
      throw queueFull(
        `the disk has ${free} bytes free, and ${keepFree} bytes (limits.freeDiskBytes) must stay free`,
      )
    },
    spend: (bytes) => {
      if (free !== undefined) free -= bytes
    },
  }
}
