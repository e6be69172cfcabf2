/** How a heap orders its items and where it notes their positions: an item sits in one heap at a time. */
export interface HeapRules<Item> {
  before(a: Item, b: Item): boolean
  /** Where the item sits; whatever `moved` was told last. */
  at(item: Item): number
  moved(item: Item, at: number): void
}

/** A binary heap with removal from the middle, because a lane may stop being ready at any moment. */
export interface Heap<Item> {
  readonly size: number
  push(item: Item): void
  peek(): Item | undefined
  remove(item: Item): void
  /** A copy, in no particular order. */
  items(): readonly Item[]
}

export function createHeap<Item>(rules: HeapRules<Item>): Heap<Item> {
  const { before } = rules
  const items: Item[] = []

  function put(item: Item, at: number): void {
    items[at] = item
    rules.moved(item, at)
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
      const at = rules.at(item)
      const last = items.pop()
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
