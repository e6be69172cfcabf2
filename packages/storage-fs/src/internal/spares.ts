import type { FsFile, FsPort } from '../fs-port.js'
import { systemCode } from '../fs-port.js'
import { segmentName } from './frame.js'
import { writeWhole } from './write-whole.js'

/** A file of zeros, synced, that waits to become a segment. */
export interface Spare {
  readonly path: string
  readonly file: FsFile
  readonly size: number
}

/**
 * Prepares segments in the background and clears drained ones away. Writing into space that was written before
 * needs no change of size, and so nearly half of a sync. Every owner uses its own spares only: an earlier one
 * that was taken for dead may still be writing to those it made.
 */
export interface SparePool {
  /** A prepared file, which from now on belongs to the caller. */
  take(): Spare | undefined
  /** Sees to it that there will be a spare. */
  prepare(): void
  /** Takes a drained segment out of the log; its content is overwritten in the background. */
  drain(segment: number): Promise<void>
  /** Files that earlier owners left behind. */
  clear(names: readonly string[]): void
  /** Resolves when nothing is being prepared or overwritten any more. */
  idle(): Promise<void>
  /** Spares cannot be turned into segments here. */
  giveUp(): void
  close(): Promise<void>
}

/** Zeros are synced in pieces of this, so that the syncs of others need not wait for long. */
const ZEROS = 4 * 1024 * 1024
const SPARE = /^spare-\d+-\d+\.log$/
const DRAINED = /^drained-\d+\.log$/

/** A drained segment that was not overwritten yet. */
export function isDrained(name: string): boolean {
  return DRAINED.test(name)
}

/** Zeros over everything between `from` and `to`, synced. `goesOn` is asked before each piece. */
export async function overwrite(
  file: FsFile,
  from: number,
  to: number,
  goesOn: () => boolean = () => true,
): Promise<boolean> {
  const zeros = new Uint8Array(Math.max(0, Math.min(ZEROS, to - from)))
  for (let at = from; at < to; at += zeros.length) {
    if (!goesOn()) return false
    await writeWhole(file, zeros.subarray(0, Math.min(zeros.length, to - at)), at)
    await file.datasync()
  }
  return true
}

/** Files beside the log that hold nothing anybody needs. */
export function isLeftover(name: string): boolean {
  return SPARE.test(name) || DRAINED.test(name)
}

export function sparePool(
  fs: FsPort,
  directory: string,
  options: {
    readonly generation: number
    readonly segmentBytes: number
    /** Free bytes that must stay on the disk. */
    readonly keepFree: number
  },
): SparePool {
  const { generation, segmentBytes, keepFree } = options
  let ready: Spare | undefined
  let usable = fs.link !== undefined
  let made = 0
  let wanted = false
  let closed = false
  /** One thing at a time, and nothing that fails stops what comes after it. */
  let work: Promise<void> = Promise.resolve()

  function later(task: () => Promise<void>): void {
    work = work.then(task).catch(() => undefined)
  }

  function nextPath(): string {
    return `${directory}/spare-${generation}-${++made}.log`
  }

  /** Preparing saves time and nothing else: it must not take the space that the log itself is going to need. */
  async function isRoomFor(bytes: number): Promise<boolean> {
    const free = await fs.freeBytes(directory).catch(() => 0)
    return free === undefined || free - bytes >= Math.max(keepFree, segmentBytes)
  }

  async function make(): Promise<void> {
    wanted = false
    if (closed || !usable || ready !== undefined || !(await isRoomFor(segmentBytes))) return
    const path = nextPath()
    const file = await fs.create(path)
    try {
      // Half a spare is of no use to anybody.
      if (await overwrite(file, 0, segmentBytes, () => !closed)) {
        ready = { path, file, size: segmentBytes }
        return
      }
    } catch {
      // A full disk: the log will grow as it is written.
    }
    await file.close()
    await fs.unlink(path)
  }

  /** What was delivered must not stay readable: the bytes go before the name does. */
  async function wipe(path: string, reuse: boolean): Promise<void> {
    const file = await fs.open(path, 'write')
    let kept = false
    try {
      const size = await file.size()
      await overwrite(file, 0, size)
      // The small file of a short life is not worth growing.
      const fits = reuse && size * 2 >= segmentBytes && !closed && usable && ready === undefined
      if (fits && (await isRoomFor(segmentBytes - size))) {
        kept = await becomeSpare(path, file, size)
      }
    } finally {
      if (!kept) await file.close()
    }
    if (!kept) await fs.unlink(path)
  }

  /** A file of zeros; `false` when it has to go after all, as on a disk that is full by now. */
  async function becomeSpare(path: string, file: FsFile, size: number): Promise<boolean> {
    try {
      await overwrite(file, size, segmentBytes)
      if (size > segmentBytes) await file.truncate(segmentBytes)
      await file.datasync()
      const spare = nextPath()
      await fs.rename(path, spare)
      ready = { path: spare, file, size: segmentBytes }
      return true
    } catch {
      return false
    }
  }

  return {
    take: () => {
      const spare = usable ? ready : undefined
      if (spare !== undefined) ready = undefined
      return spare
    },
    prepare: () => {
      if (wanted || closed || !usable || ready !== undefined) return
      wanted = true
      later(make)
    },
    drain: async (segment) => {
      const path = `${directory}/drained-${segment}.log`
      try {
        await fs.rename(`${directory}/${segmentName(segment)}`, path)
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error
        return
      }
      await fs.syncDirectory(directory)
      later(() => wipe(path, true))
    },
    clear: (names) => {
      for (const name of names) {
        const path = `${directory}/${name}`
        // A spare may be another name of a segment already, so its content must not be touched.
        if (SPARE.test(name)) later(() => fs.unlink(path))
        else later(() => wipe(path, false))
      }
    },
    idle: () => work,
    giveUp: () => {
      usable = false
    },
    close: async () => {
      closed = true
      await work
      if (ready === undefined) return
      const { path, file } = ready
      ready = undefined
      await file.close().catch(() => undefined)
      await fs.unlink(path).catch(() => undefined)
    },
  }
}
