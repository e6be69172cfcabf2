/** Which sequence an entry of the source has in the copy: two numbers per entry. */
export interface SequenceMap {
  /** Both must be greater than those added before. */
  add(source: number, target: number): void
  get(source: number): number | undefined
  readonly size: number
}

export function createSequenceMap(): SequenceMap {
  const sources: number[] = []
  const targets: number[] = []
  return {
    add(source, target) {
      sources.push(source)
      targets.push(target)
    },
    get(source) {
      let low = 0
      let high = sources.length
      while (low < high) {
        const middle = (low + high) >> 1
        if ((sources[middle] ?? 0) < source) low = middle + 1
        else high = middle
      }
      return sources[low] === source ? targets[low] : undefined
    },
    get size() {
      return sources.length
    },
  }
}
