import type { Packer, Unpacker } from '../internal/packer.js'

/** Settled entries in order of settlement. */
export interface SettledQueue {
  readonly size: number
  /** In any order: one that is older than the last finds its place. */
  push(sequence: number, at: number): void
  /** The oldest one. */
  first(): { readonly sequence: number; readonly at: number } | undefined
  shift(): void
  /** Puts entries back before the oldest one, in this order. */
  unshift(entries: readonly { readonly sequence: number; readonly at: number }[]): void
  /** In order. */
  all(): { readonly sequences: readonly number[]; readonly times: readonly number[] }
}

export function packSettledQueue(queue: SettledQueue, into: Packer): void {
  const { sequences, times } = queue.all()
  into.numbers(Float64Array.from(sequences))
  into.numbers(Float64Array.from(times))
}

/** `shift` is added to every time. */
export function unpackSettledQueue(from: Unpacker, shift: number): SettledQueue {
  const sequences = Array.from(from.numbers())
  const times = Array.from(from.numbers(sequences.length), (at) => at + shift)
  return createSettledQueue(sequences, times)
}

export function createSettledQueue(sequences: number[] = [], times: number[] = []): SettledQueue {
  // Two arrays of numbers take a quarter of the room that objects would.
  let from = 0
  let sorted = true

  /** Restored entries come in order of sequence. Those of one time keep their order. */
  function sort(): void {
    if (sorted) return
    const order = sequences.map((_, at) => at).slice(from)
    order.sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0))
    ;[sequences, times] = [order.map((at) => sequences[at] ?? 0), order.map((at) => times[at] ?? 0)]
    from = 0
    sorted = true
  }

  return {
    get size() {
      return sequences.length - from
    },
    push(sequence, at) {
      if (from < times.length && at < (times.at(-1) ?? 0)) sorted = false
      sequences.push(sequence)
      times.push(at)
    },
    first() {
      sort()
      const sequence = sequences[from]
      const at = times[from]
      return sequence === undefined || at === undefined ? undefined : { sequence, at }
    },
    shift() {
      from++
      if (from < 1024 || from * 2 < sequences.length) return
      sequences = sequences.slice(from)
      times = times.slice(from)
      from = 0
    },
    unshift(entries) {
      sequences = [...entries.map(({ sequence }) => sequence), ...sequences.slice(from)]
      times = [...entries.map(({ at }) => at), ...times.slice(from)]
      from = 0
    },
    all() {
      sort()
      return { sequences: sequences.slice(from), times: times.slice(from) }
    },
  }
}
