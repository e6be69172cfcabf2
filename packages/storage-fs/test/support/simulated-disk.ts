import type { FsFile, FsPort } from '../../src/index.js'
import { publishWith } from '../../src/internal/publish.js'

/** A write that was not synced yet. */
interface PendingWrite {
  readonly position: number
  readonly bytes: Uint8Array
  /** No bytes, but a new size. */
  readonly truncate?: number
}

interface Inode {
  /** What every process sees. */
  data: Uint8Array
  /** What a power cut leaves. */
  durable: Uint8Array
  pending: PendingWrite[]
}

/** Which of the unsynced writes of a file reached the platter before the power went. */
export type Survivors = (
  writes: readonly PendingWrite[],
  /** What a file that is gone, or was overwritten, once held. */
  stale: Uint8Array,
) => readonly PendingWrite[]

export const images: Readonly<Record<string, Survivors>> = {
  none: () => [],
  all: (writes) => writes,
  first: (writes) => writes.slice(0, 1),
  allButFirst: (writes) => writes.slice(1),
  allButLast: (writes) => writes.slice(0, -1),
  tornLast: (writes) =>
    writes.map((write, index) =>
      index < writes.length - 1
        ? write
        : { ...write, bytes: write.bytes.subarray(0, Math.floor(write.bytes.length / 2)) },
    ),
  // The later half arrived, the earlier did not.
  tornFirst: (writes) =>
    writes.map((write) => {
      const half = Math.floor(write.bytes.length / 2)
      return { ...write, position: write.position + half, bytes: write.bytes.subarray(half) }
    }),
  // The size arrived, the data did not: the blocks show what they held in an earlier life.
  staleRecycled: (writes, stale) =>
    writes.map((write) => {
      const old = new Uint8Array(write.bytes.length)
      old.set(stale.subarray(write.position, write.position + old.length))
      return { ...write, bytes: old }
    }),
}

export interface Fault {
  /** Name of the operation, or any. */
  readonly operation?: string
  /** Counts the calls of that kind from 1. */
  readonly nth: number
  readonly code: 'ENOSPC' | 'EIO' | 'EMFILE' | 'EACCES' | 'EROFS' | 'short'
  /** Every later call of the kind fails too. */
  readonly forever?: boolean
}

export interface SimulatedDisk {
  /** The file system as a new process sees it. */
  port(): FsPort
  /** Ends all processes; a power cut also forgets what was not synced. */
  crash(level: 'process' | 'power', survivors?: Survivors): void
  /** Makes one call fail. Counting starts now. */
  fail(fault: Fault | undefined): void
  /** Whether the fault has struck. */
  readonly struck: boolean
  /** Calls since the last `fail`. */
  readonly calls: readonly string[]
  /** What is on the disk, as processes see it. */
  files(): Map<string, Uint8Array>
  /** What was durably in files that have no name any more. */
  readonly removed: readonly Uint8Array[]
  /** Overwrites a file behind everybody's back, durably. */
  put(path: string, data: Uint8Array): void
  free: number
}

function systemError(code: string, operation: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${operation}`), { code })
}

function written(data: Uint8Array, write: PendingWrite): Uint8Array {
  if (write.truncate !== undefined) return data.slice(0, write.truncate)
  const end = write.position + write.bytes.length
  const grown = end > data.length ? new Uint8Array(end) : data.slice()
  if (end > data.length) grown.set(data)
  grown.set(write.bytes, write.position)
  return grown
}

/** A disk in memory on which data, sizes and names become durable separately, and only when asked to. */
export function simulatedDisk(): SimulatedDisk {
  let names = new Map<string, Inode>()
  let durableNames = new Map<string, Inode>()
  const alive = new Set<number>()
  let nextPid = 100
  let boot = 1
  let era = 0
  let fault: Fault | undefined
  let struck = false
  let matching = 0
  let calls: string[] = []
  const removed: Uint8Array[] = []
  /** What the blocks that are used next may still show. */
  let stale: Uint8Array = new Uint8Array(0)
  const disk = { free: 100 * 1024 ** 3 }

  function call(operation: string, born: number): 'short' | undefined {
    // A dead process does nothing any more.
    if (born !== era) throw systemError('EIO', `${operation} after the crash`)
    calls.push(operation)
    if (fault === undefined) return undefined
    if (fault.operation !== undefined && fault.operation !== operation) return undefined
    matching++
    if (matching < fault.nth || (matching > fault.nth && fault.forever !== true)) return undefined
    if (fault.code === 'short') {
      if (operation !== 'write') return undefined
      struck = true
      return 'short'
    }
    struck = true
    throw systemError(fault.code, operation)
  }

  function lookup(path: string): Inode {
    const inode = names.get(path)
    if (inode === undefined) throw systemError('ENOENT', path)
    return inode
  }

  function open(inode: Inode, born: number): FsFile {
    return {
      read: async (into, position) => {
        call('read', born)
        const part = inode.data.subarray(position, position + into.length)
        into.set(part)
        return part.length
      },
      write: async (bytes, position) => {
        const cut = call('write', born)
        const part = cut === 'short' ? bytes.subarray(0, Math.ceil(bytes.length / 2)) : bytes
        const write = { position, bytes: part.slice() }
        if (position === 0 && inode.data.length > 128) stale = inode.data
        inode.data = written(inode.data, write)
        inode.pending.push(write)
        return part.length
      },
      writeSynced: async (bytes, position) => {
        const cut = call('write', born)
        const part = cut === 'short' ? bytes.subarray(0, Math.ceil(bytes.length / 2)) : bytes
        const end = position + part.length
        const overlaps = inode.pending.some((write) => {
          return write.position < end && write.position + write.bytes.length > position
        })
        // Which of the two would win after a power cut is more than this model knows.
        if (overlaps) throw new Error('a synced write over one that was not synced')
        const write = { position, bytes: part.slice() }
        inode.data = written(inode.data, write)
        inode.durable = written(inode.durable, write)
        return part.length
      },
      datasync: async () => {
        call('datasync', born)
        inode.durable = inode.data
        inode.pending = []
      },
      truncate: async (length) => {
        call('truncate', born)
        inode.data = inode.data.slice(0, length)
        inode.pending.push({ position: length, bytes: new Uint8Array(0), truncate: length })
      },
      size: async () => {
        call('size', born)
        return inode.data.length
      },
      close: async () => undefined,
    }
  }

  function make(path: string, data: Uint8Array): Inode {
    if (names.has(path)) throw systemError('EEXIST', path)
    const inode: Inode = { data, durable: data, pending: [] }
    names.set(path, inode)
    return inode
  }

  return {
    get free() {
      return disk.free
    },
    set free(bytes) {
      disk.free = bytes
    },
    get struck() {
      return struck
    },
    get calls() {
      return calls
    },
    removed,
    files: () => new Map([...names].map(([path, inode]) => [path, inode.data])),
    put: (path, data) => {
      const inode = names.get(path) ?? { data, durable: data, pending: [] }
      inode.data = data
      inode.durable = data
      inode.pending = []
      names.set(path, inode)
      durableNames.set(path, inode)
    },
    fail: (next) => {
      fault = next
      struck = false
      matching = 0
      calls = []
    },
    crash: (level, survivors = () => []) => {
      era++
      alive.clear()
      if (level === 'process') return
      boot++
      names = new Map(durableNames)
      for (const inode of names.values()) {
        inode.data = survivors(inode.pending, stale).reduce(written, inode.durable)
        inode.durable = inode.data
        inode.pending = []
      }
    },
    port: () => {
      const born = era
      const pid = nextPid++
      alive.add(pid)
      let drafts = 0
      const create: FsPort['create'] = async (path) => {
        call('create', born)
        return open(make(path, new Uint8Array(0)), born)
      }
      const link: FsPort['link'] & {} = async (from, to) => {
        call('link', born)
        const inode = lookup(from)
        if (names.has(to)) throw systemError('EEXIST', to)
        names.set(to, inode)
      }
      const unlink: FsPort['unlink'] = async (path) => {
        call('unlink', born)
        const inode = lookup(path)
        if (inode.data.length > 128) stale = inode.data
        names.delete(path)
        if (![...names.values()].includes(inode)) removed.push(inode.durable)
      }
      return {
        powerSafe: true,
        open: async (path) => {
          call('open', born)
          return open(lookup(path), born)
        },
        create,
        link,
        unlink,
        // In its steps, so that it can fail and be interrupted between any two of them.
        publish: (path, content) =>
          publishWith({ create, link, unlink }, path, `${path}.${pid}${++drafts}.tmp`, content),
        existsNow: (path) => {
          call('stat', born)
          return names.has(path)
        },
        rename: async (from, to) => {
          call('rename', born)
          const inode = lookup(from)
          names.delete(from)
          names.set(to, inode)
        },
        readdir: async (path) => {
          call('readdir', born)
          return [...names.keys()]
            .filter((name) => name.startsWith(`${path}/`))
            .map((name) => name.slice(path.length + 1))
        },
        mkdir: async () => {
          call('mkdir', born)
        },
        syncDirectory: async (path) => {
          call('syncDirectory', born)
          const others = [...durableNames].filter(([name]) => !name.startsWith(`${path}/`))
          const here = [...names].filter(([name]) => name.startsWith(`${path}/`))
          durableNames = new Map([...others, ...here])
        },
        stat: async (path) => {
          call('stat', born)
          const inode = names.get(path)
          return inode === undefined ? undefined : { size: inode.data.length }
        },
        freeBytes: async () => {
          call('freeBytes', born)
          return disk.free
        },
        self: async () => ({ pid, boot: `boot-${boot}`, started: `start-${pid}` }),
        processStarted: async (other) => (alive.has(other) ? `start-${other}` : undefined),
      }
    },
  }
}
