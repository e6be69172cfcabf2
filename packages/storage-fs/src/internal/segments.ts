import { newerFormat } from '../errors.js'
import type { FsFile, FsPort } from '../fs-port.js'
import {
  decodeSegmentHeader,
  parseSegmentName,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
} from './frame.js'
import { readWhole } from './segment-files.js'

/** A segment file as it lies in the directory. */
export interface PresentSegment {
  readonly segment: number
  readonly size: number
  /** Absent when neither copy of it can be read. */
  readonly header: SegmentHeader | undefined
}

/** Looked at together, so that many files take little longer than one. */
const AT_ONCE = 16

async function look(fs: FsPort, directory: string, segment: number): Promise<PresentSegment> {
  const file: FsFile = await fs.open(`${directory}/${segmentName(segment)}`, 'read')
  try {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
    const count = await readWhole(file, bytes, 0)
    const header = decodeSegmentHeader(bytes.subarray(0, count))
    if (header !== undefined && 'newer' in header) throw newerFormat(directory, header.newer)
    // Blocks of a new file may still show the header that an old segment had there.
    const own = header?.segment === segment ? header : undefined
    return { segment, size: await file.size(), header: own }
  } finally {
    await file.close()
  }
}

/** The segments in a directory, in order. Throws `ERR_STORAGE_FORMAT` when one is of a newer version. */
export async function presentSegments(
  fs: FsPort,
  directory: string,
  names: readonly string[],
): Promise<PresentSegment[]> {
  const numbers: number[] = []
  for (const name of names) {
    const number = parseSegmentName(name)
    if (number !== undefined) numbers.push(number)
  }
  numbers.sort((a, b) => a - b)
  const present: PresentSegment[] = []
  for (let from = 0; from < numbers.length; from += AT_ONCE) {
    const part = numbers.slice(from, from + AT_ONCE).map((number) => look(fs, directory, number))
    // Every file is closed again before a failure is told.
    await Promise.allSettled(part)
    present.push(...(await Promise.all(part)))
  }
  return present
}

/**
 * Refuses a directory that was written by a newer version, before anything is touched. Resolves to the highest
 * owner number in the log.
 */
export async function checkFormat(fs: FsPort, directory: string): Promise<number> {
  const present = await presentSegments(fs, directory, await fs.readdir(directory))
  return present.reduce((highest, { header }) => Math.max(highest, header?.generation ?? 0), 0)
}
