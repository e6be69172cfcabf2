import type { FsFile, FsPort } from '../../src/index.js'
import { publishWith } from '../../src/internal/publish.js'
import {
  afterPowerCut,
  type DiskState,
  type PendingChange,
  resized,
  type Survivors,
  written,
} from './disk-image.js'

export { images, type DiskState } from './disk-image.js'

interface Inode {
  readonly number: number
  /** What every process sees. */
  data: Uint8Array
  /** What a power cut leaves. */
  durable: Uint8Array
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
  /** Called before every call is done, with its name. */
  watch(listener: ((operation: string) => void) | undefined): void
  /** What a power cut at this instant would start from. */
  state(): DiskState
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

/**
 * A disk in memory on which data, sizes and names become durable separately, and only when asked to. It may begin
 * with the files that a power cut left on another one.
 */
export function simulatedDisk(files: ReadonlyMap<string, Uint8Array> = new Map()): SimulatedDisk {
  let names = new Map<string, Inode>()
  let durableNames = new Map<string, Inode>()
  let pending: PendingChange[] = []
  const alive = new Set<number>()
  const inodes = new Map<number, Inode>()
  let nextPid = 100
  let boot = files.size === 0 ? 1 : 2
  let era = 0
  let fault: Fault | undefined
  let listener: ((operation: string) => void) | undefined
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
    listener?.(operation)
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

  function newInode(data: Uint8Array): Inode {
    const inode = { number: inodes.size + 1, data, durable: data }
    inodes.set(inode.number, inode)
    return inode
  }

  /** Names that processes see at once, and a power cut perhaps never. */
  function rename(...changes: readonly (readonly [path: string, inode: Inode | undefined])[]): void {
    for (const [path, inode] of changes) {
      if (inode === undefined) names.delete(path)
      else names.set(path, inode)
    }
    pending.push({ kind: 'names', changes: changes.map(([path, inode]) => [path, inode?.number]) })
  }

  function open(inode: Inode, born: number): FsFile {
    const { number } = inode
    const isHere = (change: PendingChange): boolean => change.kind !== 'names' && change.inode === number

    return {
      read: async (into, position) => {
        call('read', born)
        const part = inode.data.subarray(position, position + into.length)
        into.set(part)
        return part.length
      },
      write: async (bytes, position) => {
        const cut = call('write', born)
        const part = (cut === 'short' ? bytes.subarray(0, Math.ceil(bytes.length / 2)) : bytes).slice()
        if (position === 0 && inode.data.length > 128) stale = inode.data
        const { length } = inode.data
        inode.data = written(inode.data, position, part)
        // The size first, so that a torn tail shows zeros where the data did not arrive.
        if (inode.data.length > length)
          pending.push({ kind: 'size', inode: number, length: inode.data.length })
        pending.push({ kind: 'data', inode: number, position, bytes: part })
        return part.length
      },
      writeSynced: async (bytes, position) => {
        let cut: 'short' | undefined
        try {
          cut = call('write', born)
        } catch (error) {
          // It was written, and the sync of it failed: processes see what the disk never got.
          if (born === era) inode.data = written(inode.data, position, bytes)
          throw error
        }
        const part = cut === 'short' ? bytes.subarray(0, Math.ceil(bytes.length / 2)) : bytes
        const end = position + part.length
        // Which of the two would win after a power cut is more than this model knows.
        for (const change of pending) {
          if (!isHere(change)) continue
          const clear =
            change.kind === 'data' &&
            (change.position >= end || change.position + change.bytes.length <= position)
          if (!clear && change.kind !== 'size') throw new Error('a synced write over one that was not synced')
        }
        inode.data = written(inode.data, position, part)
        inode.durable = written(inode.durable, position, part)
        return part.length
      },
      datasync: async () => {
        try {
          call('datasync', born)
        } catch (error) {
          // As the kernel does: what could not be written counts as clean from now on, and no later sync tries again.
          if (born === era) pending = pending.filter((change) => change.kind !== 'data' || !isHere(change))
          throw error
        }
        // Only what is pending: what an earlier sync gave up stays in the eyes of processes only.
        for (const change of pending) {
          if (!isHere(change)) continue
          if (change.kind === 'size') inode.durable = resized(inode.durable, change.length)
          else if (change.kind === 'data')
            inode.durable = written(inode.durable, change.position, change.bytes)
        }
        pending = pending.filter((change) => !isHere(change))
      },
      truncate: async (length) => {
        call('truncate', born)
        inode.data = resized(inode.data, length)
        pending.push({ kind: 'size', inode: number, length })
      },
      size: async () => {
        call('size', born)
        return inode.data.length
      },
      close: async () => undefined,
    }
  }

  function put(path: string, data: Uint8Array): void {
    const inode = names.get(path) ?? newInode(data)
    inode.data = data
    inode.durable = data
    pending = pending.filter((change) => change.kind === 'names' || change.inode !== inode.number)
    names.set(path, inode)
    durableNames.set(path, inode)
  }

  function state(): DiskState {
    const contents = new Map([...inodes].map(([number, { durable }]) => [number, durable]))
    const named = new Map([...durableNames].map(([path, { number }]) => [path, number]))
    return { names: named, contents, pending: [...pending], stale }
  }

  for (const [path, data] of files) put(path, data)

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
    put,
    state,
    watch: (next) => {
      listener = next
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
      const left = afterPowerCut(state(), survivors)
      names = new Map()
      durableNames = new Map()
      pending = []
      for (const [path, data] of left) put(path, data)
    },
    port: () => {
      const born = era
      const pid = nextPid++
      alive.add(pid)
      let drafts = 0
      const create: FsPort['create'] = async (path) => {
        call('create', born)
        if (names.has(path)) throw systemError('EEXIST', path)
        const inode = newInode(new Uint8Array(0))
        rename([path, inode])
        return open(inode, born)
      }
      const link: FsPort['link'] & {} = async (from, to) => {
        call('link', born)
        const inode = lookup(from)
        if (names.has(to)) throw systemError('EEXIST', to)
        rename([to, inode])
      }
      const unlink: FsPort['unlink'] = async (path) => {
        call('unlink', born)
        const inode = lookup(path)
        if (inode.data.length > 128) stale = inode.data
        rename([path, undefined])
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
          rename([from, undefined], [to, lookup(from)])
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
          const inside = (name: string): boolean => name.startsWith(`${path}/`)
          const others = [...durableNames].filter(([name]) => !inside(name))
          durableNames = new Map([...others, ...[...names].filter(([name]) => inside(name))])
          pending = pending.filter(
            (change) => change.kind !== 'names' || !change.changes.some(([name]) => inside(name)),
          )
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
