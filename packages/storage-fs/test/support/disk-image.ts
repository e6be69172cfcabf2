/** What a disk was told to do and has not made durable yet. Data, sizes and names are separate things. */
export type PendingChange =
  | { readonly kind: 'data'; readonly inode: number; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'size'; readonly inode: number; readonly length: number }
  /** Names that appear and go in one step. */
  | {
      readonly kind: 'names'
      readonly changes: readonly (readonly [path: string, inode: number | undefined])[]
    }

/** Everything a power cut needs to know. Never changed: a picture of one instant. */
export interface DiskState {
  readonly names: ReadonlyMap<string, number>
  /** Durable content by inode. */
  readonly contents: ReadonlyMap<number, Uint8Array>
  /** In the order in which they were asked for. */
  readonly pending: readonly PendingChange[]
  /** What a file that is gone, or was overwritten, once held. */
  readonly stale: Uint8Array
}

/** Which of the pending changes reached the platter before the power went. */
export type Survivors = (pending: readonly PendingChange[], stale: Uint8Array) => readonly PendingChange[]

/** Torn inside its bytes; a size or a name has no halves. */
function half(change: PendingChange, later: boolean): readonly PendingChange[] {
  if (change.kind !== 'data') return [change]
  const middle = Math.floor(change.bytes.length / 2)
  return later
    ? [{ ...change, position: change.position + middle, bytes: change.bytes.subarray(middle) }]
    : [{ ...change, bytes: change.bytes.subarray(0, middle) }]
}

export const images: Readonly<Record<string, Survivors>> = {
  none: () => [],
  all: (pending) => pending,
  first: (pending) => pending.slice(0, 1),
  allButFirst: (pending) => pending.slice(1),
  allButLast: (pending) => pending.slice(0, -1),
  tornLast: (pending) =>
    pending.flatMap((change, index) => (index < pending.length - 1 ? [change] : half(change, false))),
  // The later half arrived, the earlier did not.
  tornFirst: (pending) => pending.flatMap((change) => half(change, true)),
  // Sizes and names arrived, the data did not: the blocks show what they held in an earlier life.
  staleRecycled: (pending, stale) =>
    pending.map((change) => {
      if (change.kind !== 'data') return change
      const old = new Uint8Array(change.bytes.length)
      old.set(stale.subarray(change.position, change.position + old.length))
      return { ...change, bytes: old }
    }),
}

/** Content with one change of data or size. Bytes that were never written are zeros. */
function changed(
  content: Uint8Array,
  length: number,
  write?: { position: number; bytes: Uint8Array },
): Uint8Array {
  const next = new Uint8Array(length)
  next.set(content.subarray(0, length))
  if (write !== undefined && write.position < length) {
    next.set(write.bytes.subarray(0, length - write.position), write.position)
  }
  return next
}

/** As every process sees it at once. */
export function written(content: Uint8Array, position: number, bytes: Uint8Array): Uint8Array {
  return changed(content, Math.max(content.length, position + bytes.length), { position, bytes })
}

export function resized(content: Uint8Array, length: number): Uint8Array {
  return changed(content, length)
}

/** The files that are there when the power is back. */
export function afterPowerCut(state: DiskState, survivors: Survivors): Map<string, Uint8Array> {
  const names = new Map(state.names)
  // Data may arrive before the size that makes it visible, so both are kept apart until the end.
  const files = new Map<number, { blocks: Uint8Array; length: number }>()
  const fileOf = (inode: number): { blocks: Uint8Array; length: number } => {
    const known = files.get(inode)
    if (known !== undefined) return known
    const blocks = state.contents.get(inode) ?? new Uint8Array(0)
    const file = { blocks, length: blocks.length }
    files.set(inode, file)
    return file
  }
  for (const change of survivors(state.pending, state.stale)) {
    if (change.kind === 'names') {
      for (const [path, inode] of change.changes) {
        if (inode === undefined) names.delete(path)
        else names.set(path, inode)
      }
      continue
    }
    const file = fileOf(change.inode)
    if (change.kind === 'data') file.blocks = written(file.blocks, change.position, change.bytes)
    else {
      if (change.length < file.length) file.blocks = resized(file.blocks, change.length)
      file.length = change.length
    }
  }
  const found = new Map<string, Uint8Array>()
  for (const [path, inode] of names) {
    const { blocks, length } = fileOf(inode)
    found.set(path, resized(blocks, length))
  }
  return found
}
