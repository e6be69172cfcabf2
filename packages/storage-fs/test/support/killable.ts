import type { FsFile, FsPort } from '../../src/index.js'

let lastPid = 5_000_000

/** Pids of the pretended processes that live. Real pids are never this high. */
const living = new Set<number>()

export interface Killable {
  readonly fs: FsPort
  /** From now on the pretended process does nothing any more, and its lock is stale. */
  kill(): void
}

/** A real file system used by a pretended process of its own that can be killed. */
export function killable(real: FsPort): Killable {
  const pid = ++lastPid
  living.add(pid)
  const check = (): void => {
    if (!living.has(pid)) throw Object.assign(new Error('the process is dead'), { code: 'EIO' })
  }
  const file = (inner: FsFile): FsFile => ({
    ...inner,
    ...(inner.writeSynced === undefined
      ? {}
      : {
          writeSynced: (bytes: Uint8Array, position: number) => {
            check()
            return inner.writeSynced?.(bytes, position) ?? Promise.resolve(0)
          },
        }),
    write: (bytes, position) => {
      check()
      return inner.write(bytes, position)
    },
    datasync: () => {
      check()
      return inner.datasync()
    },
  })
  return {
    fs: {
      ...real,
      // Real files cannot show a power cut here; the simulated disk does.
      powerSafe: false,
      open: async (path, mode) => {
        check()
        return file(await real.open(path, mode))
      },
      create: async (path) => {
        check()
        return file(await real.create(path))
      },
      unlink: async (path) => {
        check()
        await real.unlink(path)
      },
      self: async () => ({ pid, boot: 'boot', started: String(pid) }),
      processStarted: async (other) => (living.has(other) ? String(other) : undefined),
    },
    kill: () => living.delete(pid),
  }
}
