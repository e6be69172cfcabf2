import { QueueError, steadyClock } from '@fhir-outbox/queue-core'
import { storageFailed } from '../errors.js'
import { type FsPort, systemCode } from '../fs-port.js'
import { segmentName } from './frame.js'
import { readHolder } from './lock.js'
import { recover, type Recovered } from './recover.js'
import { segmentFiles, type SegmentFiles } from './segment-files.js'

/** What a directory holds at one moment, found out without its lock and without changing anything. */
export interface Picture {
  readonly recovered: Recovered
  /** Open for reading; close it when the picture is not needed any more. */
  readonly files: SegmentFiles
  /** The process that has the storage open. */
  readonly owner: { readonly pid: number } | undefined
  readonly clock: () => number
  /** Whether everything it shows is still where it was: segments go from the oldest on. */
  isWhole(): Promise<boolean>
}

/** Beside a process that uses the storage, a look can come at a bad moment. */
export const MOST_LOOKS = 6

/** Rejects with `ERR_STORAGE_FAILED` when the directory cannot be read, and with `ERR_STORAGE_FORMAT`. */
export async function takePicture(fs: FsPort, directory: string, verify: boolean): Promise<Picture> {
  let before: string | undefined
  for (let look = 1; ; look++) {
    const files = segmentFiles(fs, directory)
    try {
      const picture = await lookOnce(fs, directory, files, verify)
      const found = damageOf(picture.recovered)
      // A file that was overwritten under our eyes, or the write of this moment, looks like damage: damage stays.
      if (found === undefined || found === before || look === MOST_LOOKS) return picture
      // Who was there when the look began may have changed something under it, and have gone since.
      if (picture.owner === undefined && (await readHolder(fs, directory)) === undefined) return picture
      before = found
      await files.close()
    } catch (error) {
      await files.close()
      // The process that uses it removed a segment meanwhile.
      if (look < MOST_LOOKS && systemCode(error) === 'ENOENT' && (await exists(fs, directory))) continue
      if (error instanceof QueueError) throw error
      throw storageFailed(`the storage in ${directory} cannot be read`, error)
    }
  }
}

/** The same for the same damage. */
function damageOf({ lost, gaps }: Recovered): string | undefined {
  if (lost.length === 0 && gaps.length === 0) return undefined
  const places = gaps.map(({ segment, offset, length }) => [segment, offset, length])
  return JSON.stringify([places, lost.map(({ sequence }) => sequence)])
}

async function exists(fs: FsPort, directory: string): Promise<boolean> {
  return await fs.readdir(directory).then(
    () => true,
    () => false,
  )
}

async function lookOnce(
  fs: FsPort,
  directory: string,
  files: SegmentFiles,
  verify: boolean,
): Promise<Picture> {
  const owner = await readHolder(fs, directory)
  const clock = steadyClock(Date.now)
  const recovered = await recover(fs, directory, files, { owner: 'picture', clock, readOnly: true, verify })
  return {
    recovered,
    files,
    owner,
    clock: clock.now,
    isWhole: async () => {
      const [oldest] = recovered.catalog.segments.keys()
      return oldest === undefined || (await fs.stat(`${directory}/${segmentName(oldest)}`)) !== undefined
    },
  }
}
