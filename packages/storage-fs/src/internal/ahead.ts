import { MalformedRecord } from './bytes.js'
import type { Catalog } from './catalog.js'
import { frameLength } from './frame.js'
import { readKeyAndHeader } from './records.js'
import type { SegmentFiles, StoredFrame } from './segment-files.js'

/** What a lease hands out of a record. */
export interface LeasedRecord {
  readonly key: string
  readonly header: Uint8Array
  readonly payload: Uint8Array
}

/**
 * Reads and checks what will probably be leased next while the present run is on its way: otherwise nothing would be
 * on its way while the next one is read. What it holds is what the log says at these places, so it is never wrong,
 * only sometimes not asked for.
 */
export interface Ahead {
  /** The record at a location, once. Its bytes are views: copy them before they are given away. */
  take(location: number): LeasedRecord | undefined
  /** Reads so many bytes behind the record at a location, and lets go of what was not asked for. */
  readBehind(location: number, bytes: number): void
  /** Lets go of everything. */
  clear(): void
}

const MOST_BYTES = 2 * 1024 * 1024
/** Records that are checked in one turn of the event loop, so that nobody waits for more than that. */
const SLICE = 64

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

export function createAhead(catalog: Catalog, files: SegmentFiles): Ahead {
  let ready = new Map<number, LeasedRecord>()
  /** Only the reading that began last goes on. */
  let latest = 0

  function isWaiting(sequence: number, location: number): boolean {
    const entry = catalog.index.entry(sequence, 0)
    return entry?.location === location && entry.state === 'waiting' && !entry.leased
  }

  function keep({ header, meta, data }: StoredFrame, location: number): void {
    try {
      const found = readKeyAndHeader(header.type, meta)
      if (found !== undefined) ready.set(location, { ...found, payload: data })
    } catch (error) {
      if (!(error instanceof MalformedRecord)) throw error
    }
  }

  async function read(from: number, bytes: number, mine: number): Promise<void> {
    const reader = files.reader()
    const { header } = await reader.head(from, bytes)
    let location = from + frameLength(header)
    for (let count = 1; mine === latest; count++) {
      const frame = reader.peek(location)
      if (frame === undefined) return
      if (isWaiting(frame.header.sequence, location)) keep(frame, location)
      location += frameLength(frame.header)
      if (count % SLICE === 0) await nextTurn()
    }
  }

  return {
    take: (location) => {
      const record = ready.get(location)
      ready.delete(location)
      return record
    },
    readBehind: (location, bytes) => {
      ready = new Map()
      // Whoever leases reads it again, and then a failure counts.
      read(location, Math.min(bytes, MOST_BYTES), ++latest).catch(() => undefined)
    },
    clear: () => {
      latest++
      ready = new Map()
    },
  }
}
