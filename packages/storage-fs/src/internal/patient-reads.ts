import type { FsFile, FsPort } from '../fs-port.js'

/** In a directory that a salvage has not filled completely. Such a directory is not opened. */
export const UNFINISHED_SALVAGE = 'salvage.unfinished'

const BLOCK = 4096

/** A file system of which some blocks cannot be read any more: they are taken for zeros, and counted. */
export function patientReads(fs: FsPort): { readonly fs: FsPort; unreadableBytes(): number } {
  /** Blocks by path, because the same one is met again and again. */
  const unreadable = new Map<string, Set<number>>()

  function patient(path: string, file: FsFile): FsFile {
    async function block(into: Uint8Array, position: number): Promise<number> {
      try {
        return await file.read(into, position)
      } catch {
        const blocks = unreadable.get(path) ?? new Set()
        unreadable.set(path, blocks.add(Math.floor(position / BLOCK)))
        into.fill(0)
        return into.length
      }
    }

    return {
      ...file,
      read: async (into, position) => {
        try {
          return await file.read(into, position)
        } catch {
          let done = 0
          // At the limits of blocks, so that a bad one costs nothing around it.
          while (done < into.length) {
            const at = position + done
            const length = Math.min(BLOCK - (at % BLOCK), into.length - done)
            const count = await block(into.subarray(done, done + length), at)
            done += count
            if (count < length) break
          }
          return done
        }
      },
    }
  }

  return {
    fs: { ...fs, open: async (path, mode) => patient(path, await fs.open(path, mode)) },
    unreadableBytes: () => {
      let blocks = 0
      for (const each of unreadable.values()) blocks += each.size
      return blocks * BLOCK
    },
  }
}
