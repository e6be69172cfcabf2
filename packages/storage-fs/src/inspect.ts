import { resolve } from 'node:path'
import type { QueueStats } from '@fhir-outbox/queue-core'
import { storageFailed } from './errors.js'
import { type FsPort, systemCode } from './fs-port.js'
import type { Catalog } from './internal/catalog.js'
import { MOST_LOOKS, type Picture, takePicture } from './internal/picture.js'
import { DamagedRecord, type SegmentFiles } from './internal/segment-files.js'
import { nodeFs } from './node-fs.js'

/** What a look at a storage directory from outside shows. */
export interface FsInspection {
  /** The process that has the storage open, if one has. */
  readonly owner?: { readonly pid: number }
  /** As the storage would count after being opened now. */
  readonly stats: QueueStats
  readonly segments: number
  /** Bytes in the log files, dead ones included. */
  readonly bytes: number
  /** Bytes at the end that opening would cut off. While the storage is in use: a write that is under way. */
  readonly unfinishedBytes: number
  /** Entries whose record cannot be read and that are not yet quarantined. */
  readonly unreadable: readonly number[]
  /** Sequence that the next entry will get. */
  readonly nextSequence: number
  /** The named notes that can be read. */
  readonly notes: ReadonlyMap<string, Uint8Array>
}

/** Options of `inspectFsStorage`. */
export interface InspectFsStorageOptions {
  /** Default: the file system of Node.js. */
  readonly fs?: FsPort
}

/**
 * Reads a storage directory without changing anything and without its lock, so it also works beside the
 * process that uses it; then the answer is a picture of a moment. Rejects with `ERR_STORAGE_FAILED` when the
 * directory cannot be read, and with `ERR_STORAGE_FORMAT`.
 */
export async function inspectFsStorage(
  directory: string,
  options: InspectFsStorageOptions = {},
): Promise<FsInspection> {
  const fs = options.fs ?? nodeFs()
  for (let look = 1; ; look++) {
    const picture = await takePicture(fs, resolve(directory), true)
    try {
      const { catalog } = picture.recovered
      const notes = await notesOf(catalog, picture.files)
      // A note that cannot be read may have been moved while we looked.
      const moved = notes.size < catalog.notes.size && !(await picture.isWhole())
      if (!moved || look === MOST_LOOKS) return inspectionOf(picture, notes)
    } catch (error) {
      const moved = look < MOST_LOOKS && systemCode(error) === 'ENOENT' && !(await picture.isWhole())
      if (!moved) throw storageFailed(`the storage in ${directory} cannot be read`, error)
    } finally {
      await picture.files.close()
    }
  }
}

function inspectionOf(
  { owner, recovered, clock }: Picture,
  notes: ReadonlyMap<string, Uint8Array>,
): FsInspection {
  const { catalog } = recovered
  let bytes = 0
  for (const { size } of catalog.segments.values()) bytes += size
  return {
    ...(owner === undefined ? {} : { owner }),
    stats: catalog.index.stats(clock()),
    segments: catalog.segments.size,
    bytes,
    unfinishedBytes: recovered.cutBytes,
    unreadable: recovered.lost.map(({ sequence }) => sequence),
    nextSequence: recovered.nextSequence,
    notes,
  }
}

async function notesOf({ notes }: Catalog, files: SegmentFiles): Promise<ReadonlyMap<string, Uint8Array>> {
  const read = new Map<string, Uint8Array>()
  const reader = files.reader()
  for (const [name, { location }] of notes) {
    try {
      read.set(name, (await reader.frame(location, 4096)).data.slice())
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error
    }
  }
  return read
}
