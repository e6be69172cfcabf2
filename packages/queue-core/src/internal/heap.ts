/** Something that can sit in one heap at a time and knows where it sits. */
export interface HeapItem {
  /** Position in its heap, -1 while it is in none. Owned by the heap. */
  heapAt: number
}

/** A binary heap with removal from the middle, because a lane may stop being ready at any moment. */
export interface Heap<Item extends HeapItem> {
  readonly size: number
  push(item: Item): void
  peek(): Item | undefined
  remove(item: Item): void
  /** A copy, in no particular order. */
  items(): readonly Item[]
}

export function createHeap<Item extends HeapItem>(before: (a: Item, b: Item) => boolean): Heap<Item> {
  const items: Item[] = []

  function put(item: Item, at: number): void {
    items[at] = item
    item.heapAt = at
  }

  function rise(item: Item, from: number): void {
    let at = from
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = items[parentAt]
      if (parent === undefined || !before(item, parent)) break
      put(parent, at)
      at = parentAt
    }
    put(item, at)
  }

  function sink(item: Item, from: number): void {
    let at = from
    for (;;) {
      const leftAt = 2 * at + 1
      const left = items[leftAt]
      if (left === undefined) break
      const right = items[leftAt + 1]
      const rightWins = right !== undefined && before(right, left)
      const child = rightWins ? right : left
      if (!before(child, item)) break
      put(child, at)
      at = rightWins ? leftAt + 1 : leftAt
    }
    put(item, at)
  }

  return {
    get size() {
      return items.length
    },
    push(item) {
      rise(item, items.length)
    },
    peek() {
      return items[0]
    },
    remove(item) {
      const at = item.heapAt
      const last = items.pop()
      item.heapAt = -1
      if (last === undefined || last === item) return
      const parent = items[(at - 1) >> 1]
      if (at > 0 && parent !== undefined && before(last, parent)) rise(last, at)
      else sink(last, at)
    },
    items() {
      return items.slice()
    },
  }
}
