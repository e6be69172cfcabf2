import { QueueError, type QueueStats, steadyClock } from '@fhir-outbox/queue-core'
import { storageFailed } from './errors.js'
import { type FsPort, systemCode } from './fs-port.js'
import type { Catalog } from './internal/catalog.js'
import { readHolder } from './internal/lock.js'
import { recover } from './internal/recover.js'
import { DamagedRecord, segmentFiles, type SegmentFiles } from './internal/segment-files.js'
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
  for (let attempt = 0; ; attempt++) {
    try {
      return await look(fs, directory)
    } catch (error) {
      // The process that uses it removed a segment meanwhile.
      if (attempt < 5 && systemCode(error) === 'ENOENT' && (await exists(fs, directory))) continue
      if (error instanceof QueueError) throw error
      throw storageFailed(`the storage in ${directory} cannot be read`, error)
    }
  }
}

async function exists(fs: FsPort, directory: string): Promise<boolean> {
  return await fs.readdir(directory).then(
    () => true,
    () => false,
  )
}

async function look(fs: FsPort, directory: string): Promise<FsInspection> {
  const files = segmentFiles(fs, directory)
  try {
    const owner = await readHolder(fs, directory)
    const clock = steadyClock(Date.now)
    const recovered = await recover(fs, directory, files, {
      owner: 'inspect',
      clock,
      readOnly: true,
      verify: true,
    })
    const { catalog } = recovered
    let bytes = 0
    for (const { size } of catalog.segments.values()) bytes += size
    return {
      ...(owner === undefined ? {} : { owner }),
      stats: catalog.index.stats(clock.now()),
      segments: catalog.segments.size,
      bytes,
      unfinishedBytes: recovered.cutBytes,
      unreadable: recovered.lost.map(({ sequence }) => sequence),
      nextSequence: recovered.nextSequence,
      notes: await notesOf(catalog, files),
    }
  } finally {
    await files.close()
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
