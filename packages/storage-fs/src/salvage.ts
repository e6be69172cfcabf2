import { resolve } from 'node:path'
import { QueueError, type QueueStats, steadyClock } from '@fhir-outbox/queue-core'
import { notEmpty, storageFailed, storageLocked } from './errors.js'
import type { FsPort } from './fs-port.js'
import { copyAll } from './internal/copy-all.js'
import { readHolder, takeOwnership } from './internal/lock.js'
import { type LogWriter, logWriter } from './internal/log-writer.js'
import { patientReads, UNFINISHED_SALVAGE } from './internal/patient-reads.js'
import { recover } from './internal/recover.js'
import { segmentFiles } from './internal/segment-files.js'
import { segmentSize } from './internal/settings.js'
import { sparePool } from './internal/spares.js'
import { nodeFs } from './node-fs.js'

/** What a salvage saved, and what it could not. */
export interface FsSalvage {
  /** As the new storage counts. Lost entries are `quarantined` there, so that nothing vanishes from the audit. */
  readonly stats: QueueStats
  /** Entries that were saved whole. */
  readonly saved: number
  /** Sequences of entries whose record cannot be read. */
  readonly lost: readonly number[]
  /** Saved entries that became `unknown`, because a damaged record may have been the mark of a request. */
  readonly doubtful: readonly number[]
  /** Names of notes that cannot be read; they are missing in the new storage. */
  readonly lostNotes: readonly string[]
  /** Bytes that are no records any more. They are kept in the files named by `keptAside`. */
  readonly damagedBytes: number
  /** Files in the new directory with the damaged bytes as they were found. */
  readonly keptAside: readonly string[]
  /** Bytes that the disk refused to read. */
  readonly unreadableBytes: number
}

/** Options of `salvageFsStorage`. */
export interface SalvageFsStorageOptions {
  /** Default: the file system of Node.js. */
  readonly fs?: FsPort
  /** Milliseconds since 1970. Default: the wall clock. */
  readonly now?: () => number
  /** Size of a log file of the new storage. Default 16 MiB. */
  readonly segmentBytes?: number
}

/**
 * Copies every intact record of a damaged storage into a new one: sequences, keys, states, marks, receipts and
 * notes stay as they were. The damaged storage is only read, also where the disk refuses single blocks. `fresh`
 * must not exist or be empty; until everything is in it, it cannot be opened.
 *
 * Rejects with `ERR_STORAGE_LOCKED` while a process uses the damaged storage, with `ERR_STORAGE_FORMAT`, with
 * `ERR_STORAGE_FAILED`, and with a `RangeError` when an option makes no sense.
 *
 * @example
 * const { lost } = await salvageFsStorage('/var/lib/gateway/outbox', '/var/lib/gateway/outbox-2')
 */
export async function salvageFsStorage(
  damaged: string,
  fresh: string,
  options: SalvageFsStorageOptions = {},
): Promise<FsSalvage> {
  const fs = options.fs ?? nodeFs()
  const directory = resolve(damaged)
  const into = resolve(fresh)
  const segmentBytes = segmentSize(options.segmentBytes)
  const clock = steadyClock(options.now ?? Date.now)
  const { now } = clock
  const { fs: patient, unreadableBytes } = patientReads(fs)
  const files = segmentFiles(patient, directory)
  try {
    const holder = await readHolder(fs, directory)
    if (holder !== undefined) throw storageLocked(directory, `pid ${holder.pid}`)
    const recovered = await recover(patient, directory, files, {
      owner: 'salvage',
      clock,
      readOnly: true,
      verify: true,
    })
    await fs.mkdir(into)
    if ((await fs.readdir(into)).length > 0) throw notEmpty(into)
    await fs.publish(`${into}/${UNFINISHED_SALVAGE}`, new Uint8Array(0))
    const owner = await takeOwnership(fs, into, recovered.generation)
    const spares = sparePool(fs, into, { generation: owner.generation, segmentBytes, keepFree: 0 })
    let writer: LogWriter | undefined
    try {
      writer = logWriter({
        fs,
        directory: into,
        owner,
        segmentBytes,
        spares,
        randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
        now,
        nextSequence: recovered.nextSequence,
        previous: { segment: 0, end: 0 },
        started: () => undefined,
      })
      const copied = await copyAll({ fs: patient, directory, into, files, recovered, writer, now })
      await writer.close()
      await fs.unlink(`${into}/${UNFINISHED_SALVAGE}`)
      await fs.syncDirectory(into)
      return {
        ...copied,
        stats: recovered.catalog.index.stats(now()),
        doubtful: recovered.doubtful,
        unreadableBytes: unreadableBytes(),
      }
    } catch (error) {
      await writer?.abandon()
      throw error
    } finally {
      await spares.close()
      await owner.release()
    }
  } catch (error) {
    if (error instanceof QueueError) throw error
    throw storageFailed(`the storage in ${directory} cannot be salvaged into ${into}`, error)
  } finally {
    await files.close()
  }
}
