import { systemCode } from '../fs-port.js'
import { FRAME_HEADER_BYTES, segmentName } from './frame.js'
import { offsetOf, segmentOf } from './location.js'
import { type Base, type Gap, SNAPSHOT, writeSnapshot } from './records.js'
import type { LostEntry } from './recover.js'
import { readWhole } from './segment-files.js'
import { exclusively, type Store } from './store.js'

const MOST_META_BYTES = 16 * 1024

const EMPTY: Omit<Base, 'appendedAt'> = { lane: '', gate: '', key: '', after: [], header: new Uint8Array(0) }

export function quarantineName(gap: Gap): string {
  return `quarantine-${String(gap.segment).padStart(8, '0')}-${gap.offset}.bin`
}

/** Bytes kept aside, here or by the salvage that made this storage. */
export function isQuarantine(name: string): boolean {
  return /^(?:quarantine|salvaged)-.*\.bin$/.test(name)
}

/** Copies damaged bytes into a file of their own, so that their segment can go one day. */
export async function keepBytes(store: Store, gap: Gap): Promise<void> {
  if (gap.length === 0) return
  const { fs, directory } = store
  const source = await fs.open(`${directory}/${segmentName(gap.segment)}`, 'read')
  try {
    const bytes = new Uint8Array(gap.length)
    const count = await readWhole(source, bytes, gap.offset)
    await fs.publish(`${directory}/${quarantineName(gap)}`, bytes.subarray(0, count))
    await fs.syncDirectory(directory)
  } catch (error) {
    // An earlier recovery got this far.
    if (systemCode(error) !== 'EEXIST') throw error
  } finally {
    await source.close()
  }
}

/** Writes down that an entry is quarantined, with what is still known of it. */
export function pushQuarantined(store: Store, lost: LostEntry): void {
  const now = store.clock()
  const base = lost.base ?? { ...EMPTY, appendedAt: now }
  store.writer.push({
    type: SNAPSHOT,
    sequence: lost.sequence,
    at: now,
    meta: (writer) =>
      writeSnapshot(writer, base, {
        state: 'quarantined',
        attempts: 0,
        payloadBytes: lost.payloadBytes,
        markOpen: false,
      }),
    written: (location) => store.catalog.moved(lost.sequence, lost.payloadBytes, location, store.clock()),
  })
}

/** An entry turned out to be unreadable while the store is in use. */
export async function quarantine(store: Store, sequence: number): Promise<void> {
  const { index } = store.catalog
  const known = index.entry(sequence, store.clock())
  if (known === undefined || known.state === 'quarantined') return
  if (known.state === 'delivered' || known.state === 'discarded') return
  index.quarantine(sequence, store.clock())
  await exclusively(store, sequence, async () => {
    const { location, payloadBytes } = known
    const gap = {
      segment: segmentOf(location),
      offset: offsetOf(location),
      // The length in the record may be damaged too: take what a record of this payload can be at most.
      length: FRAME_HEADER_BYTES + MOST_META_BYTES + payloadBytes,
    }
    await keepBytes(store, gap)
    const base = {
      ...EMPTY,
      lane: known.lane,
      gate: known.gate,
      after: known.after,
      appendedAt: store.clock() - known.ageMs,
    }
    pushQuarantined(store, { sequence, base, payloadBytes, gap })
    await store.writer.sync()
  })
  store.notify()
}
