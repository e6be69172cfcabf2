import { CHECKPOINT_DRAFT } from './checkpoint.js'
import { segmentName } from './frame.js'
import { keepBytes, pushQuarantined, quarantineName } from './quarantine.js'
import { GAP, MARK, writeGap, writeMarks } from './records.js'
import type { Recovered } from './recover.js'
import { doubtfulMark } from './restore.js'
import { isLeftover } from './spares.js'
import type { Store } from './store.js'

/** A lost file may have held a million entries. */
const PORTION = 1024 * 1024

/** Writes down what recovery found, so that the next one need not find it again, and clears away leftovers. */
export async function repair(store: Store, recovered: Recovered): Promise<void> {
  const { fs, directory, writer } = store
  const at = store.clock()
  // First, because a segment whose creation was interrupted has the name of the next one.
  for (const name of recovered.unborn) await fs.unlink(`${directory}/${name}`)
  for (const segment of recovered.drained) await store.spares.drain(segment)
  for (const gap of recovered.gaps) {
    if (!recovered.unreadable.includes(gap.segment)) await keepBytes(store, gap)
  }
  for (const lost of recovered.lost) {
    if (lost.base !== undefined) await keepBytes(store, lost.gap)
    pushQuarantined(store, lost)
    if (writer.queuedBytes > PORTION) await writer.flush()
  }
  if (recovered.doubtful.length > 0) {
    const marks = recovered.doubtful.map(doubtfulMark)
    writer.push({ type: MARK, sequence: 0, at, meta: (into) => writeMarks(into, marks) })
  }
  for (const gap of recovered.gaps) {
    writer.push({ type: GAP, sequence: 0, at, meta: (into) => writeGap(into, gap) })
  }
  if (recovered.gaps.length > 0 || recovered.lost.length > 0) await writer.sync()
  for (const segment of recovered.unreadable) {
    const aside = `${directory}/${quarantineName({ segment, offset: 0, length: 0 })}`
    await fs.rename(`${directory}/${segmentName(segment)}`, aside)
  }
  if (recovered.unreadable.length > 0 || recovered.unborn.length > 0) await fs.syncDirectory(directory)
}

const DRAFT = /^(?:owner\.(\d+)|quarantine-.*|wipe-.*)\.[0-9a-f]+\.tmp$/

/** Drafts of files that were never published. Those of a lock may still be in use by somebody who comes late. */
export function isStaleDraft(name: string, generation: number): boolean {
  if (name === CHECKPOINT_DRAFT) return true
  const match = DRAFT.exec(name)
  if (match === null) return false
  return match[1] === undefined || Number(match[1]) < generation
}

/** Removes what earlier owners left beside the log. Nothing depends on it. */
export async function clearLeftovers(store: Store, generation: number): Promise<void> {
  const { fs, directory, spares } = store
  const names = await fs.readdir(directory)
  spares.clear(names.filter(isLeftover))
  for (const name of names) {
    if (isStaleDraft(name, generation)) await fs.unlink(`${directory}/${name}`)
  }
}
