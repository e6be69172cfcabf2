import { type KeptNote, laneIndex } from '@fhir-outbox/queue-core'
import { storageFailed } from '../errors.js'
import { type FsPort, systemCode } from '../fs-port.js'
import { CHECKPOINT_DRAFT, CHECKPOINT_NAME } from './checkpoint.js'
import type { FrameDraft } from './log-writer.js'
import { isQuarantine } from './quarantine.js'
import { NOTE, STATE, writeState } from './records.js'
import { isDrained, overwrite } from './spares.js'
import type { Store } from './store.js'

const MARKER = /^wipe-(\d+)\.unfinished$/

/** Files beside the log that hold content of entries. */
function isContent(name: string): boolean {
  return name === CHECKPOINT_NAME || name === CHECKPOINT_DRAFT || isQuarantine(name)
}

async function erase(fs: FsPort, directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = `${directory}/${name}`
    try {
      const file = await fs.open(path, 'write')
      try {
        await overwrite(file, 0, await file.size())
      } finally {
        await file.close()
      }
      await fs.unlink(path)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
    }
  }
}

/**
 * As `QueueStorage.wipe`. The commit is the first write to a new segment, which says that no earlier one counts;
 * what follows it, erasing the bytes, is done by the next opening when it is interrupted. Nothing else may be
 * under way.
 */
export async function wipe(store: Store, keep: readonly KeptNote[]): Promise<void> {
  const { fs, directory, catalog, writer, files, spares } = store
  store.ahead.clear()
  // What was called before must be in the audit.
  await writer.sync()
  const now = store.clock()
  const old = [...catalog.segments.keys()]
  const marker = `wipe-${writer.nextSegment}.unfinished`
  // It only saves work, and holds names of lanes.
  await erase(fs, directory, [CHECKPOINT_NAME, CHECKPOINT_DRAFT])
  await fs.publish(`${directory}/${marker}`, new Uint8Array(0)).catch((error: unknown) => {
    if (systemCode(error) !== 'EEXIST') throw error
  })
  await fs.syncDirectory(directory)
  const { accepted, delivered } = catalog.index.stats(now)
  const totals = { delivered, discarded: accepted - delivered }
  await writer.restart((segment) => [
    {
      type: STATE,
      sequence: 0,
      at: now,
      meta: (into) => writeState(into, segment, totals),
      written: () => {
        const owner = `${store.leaseOwner}w${segment}`
        catalog.reset(laneIndex({ owner, lastSequence: store.nextSequence - 1 }), totals)
        for (const number of old) catalog.segments.delete(number)
      },
    },
    ...keep.map(({ name, bytes }): FrameDraft => ({
      type: NOTE,
      sequence: 0,
      at: now,
      meta: (into) => {
        into.text(name)
        into.u64(1)
      },
      data: bytes,
      written: (location) => {
        catalog.notes.set(name, { version: 1, location })
      },
    })),
  ])
  for (const segment of old) {
    await files.forget(segment)
    await spares.drain(segment)
  }
  await spares.idle()
  const names = await fs.readdir(directory)
  await erase(
    fs,
    directory,
    names.filter((name) => isContent(name)),
  )
  if (names.some(isDrained))
    throw storageFailed(`not everything in ${directory} could be overwritten`, undefined)
  await fs.unlink(`${directory}/${marker}`)
  await fs.syncDirectory(directory)
}

/** Goes on with a wipe that was interrupted after its commit. */
export async function finishWipe(store: Store, firstSegment: number): Promise<void> {
  const { fs, directory } = store
  const names = await fs.readdir(directory)
  for (const name of names) {
    const segment = Number(MARKER.exec(name)?.[1])
    if (Number.isNaN(segment)) continue
    if (segment <= firstSegment)
      await erase(
        fs,
        directory,
        names.filter((other) => isContent(other)),
      )
    await fs.unlink(`${directory}/${name}`)
  }
}
