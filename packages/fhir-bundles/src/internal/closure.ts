import type { TransactionEntry } from '../resources.js'
import { type Links, linksOf } from './references.js'

/**
 * Entries that must travel together.
 *
 * A conditional create may be repeated: the server finds the same resource again. Nothing else may (a repeated
 * PUT could undo a later one), so what needs another entry's rewritten id is bound to it, in one group.
 * Conditional creates that others refer to are no group: they are copied to wherever they are needed.
 */
export type Group = {
  /** Entries placed exactly once, with this group. */
  readonly own: readonly number[]
  /** Repeatable entries that `own` needs, directly or not. */
  readonly supports: readonly number[]
}

/**
 * Disjoint groups that cover every entry, in an order in which they can be sent: a group never needs a later one.
 * Otherwise the order is that of the groups' first entries.
 */
export function groupsOf(entries: readonly TransactionEntry[]): readonly Group[] {
  const links = linksOf(entries)
  const repeatable = repeatableEntries(entries, links)
  const unions = createUnions(entries.length)
  for (const [from, { bound }] of links.entries()) {
    for (const to of bound) if (repeatable[to] !== true) unions.join(from, to)
  }
  for (;;) {
    const groups = buildGroups(entries.length, links, repeatable, unions)
    if (!joinBackwards(groups, links, unions)) return groups
  }
}

/** A group that needs a later one cannot be sent before it: both become one. True when anything was joined. */
function joinBackwards(groups: readonly Group[], links: readonly Links[], unions: Unions): boolean {
  let joined = false
  for (const { own, supports } of groups) {
    const [first = 0] = own
    for (const member of [...own, ...supports]) {
      for (const target of links[member]?.after ?? []) {
        if (unions.find(target) <= unions.find(first)) continue
        unions.join(first, target)
        joined = true
      }
    }
  }
  return joined
}

function buildGroups(
  count: number,
  links: readonly Links[],
  repeatable: readonly boolean[],
  unions: Unions,
): readonly Group[] {
  const referenced = new Set(links.flatMap(({ bound }) => bound))
  const owners = new Map<number, number[]>()
  for (let index = 0; index < count; index += 1) {
    if (repeatable[index] === true && referenced.has(index)) continue
    const root = unions.find(index)
    const own = owners.get(root)
    if (own === undefined) owners.set(root, [index])
    else own.push(index)
  }
  const groups = [...owners.values()].map((own): Group => ({ own, supports: reach(own, links) }))
  return [...groups, ...leftover(count, groups, links)].toSorted((a, b) => (a.own[0] ?? 0) - (b.own[0] ?? 0))
}

/**
 * Conditional creates that only refer to each other in a circle: nobody brings them along, so they go alone. A circle
 * that a later one needs comes with that one, so that every group has an entry that no other group has.
 */
function leftover(count: number, groups: readonly Group[], links: readonly Links[]): readonly Group[] {
  const covered = new Set<number>()
  const cover = ({ own, supports }: Group): void => {
    for (const index of own) covered.add(index)
    for (const index of supports) covered.add(index)
  }
  for (const group of groups) cover(group)
  let extra: readonly Group[] = []
  for (let index = 0; index < count; index += 1) {
    if (covered.has(index)) continue
    const group = { own: [index], supports: reach([index], links) }
    const brought = new Set(group.supports)
    extra = [...extra.filter(({ own }) => !own.some((one) => brought.has(one))), group]
    cover(group)
  }
  return extra
}

function reach(own: readonly number[], links: readonly Links[]): readonly number[] {
  const seen = new Set(own)
  const queue = [...own]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const target of links[next]?.bound ?? []) {
      if (seen.has(target)) continue
      seen.add(target)
      queue.push(target)
    }
  }
  for (const index of own) seen.delete(index)
  return [...seen].toSorted((a, b) => a - b)
}

/** Conditional creates, unless they need something that is not: then they are bound to it. */
function repeatableEntries(
  entries: readonly TransactionEntry[],
  links: readonly Links[],
): readonly boolean[] {
  const repeatable = entries.map(
    ({ request }) => request.method === 'POST' && request.ifNoneExist !== undefined,
  )
  const referrers: number[][] = entries.map(() => [])
  for (const [from, { bound }] of links.entries()) for (const to of bound) referrers[to]?.push(from)
  const queue = [...repeatable.keys()].filter((index) => repeatable[index] === false)
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const referrer of referrers[next] ?? []) {
      if (repeatable[referrer] === false) continue
      repeatable[referrer] = false
      queue.push(referrer)
    }
  }
  return repeatable
}

/** Union-find; the root of a set is its smallest member. */
type Unions = {
  readonly find: (index: number) => number
  readonly join: (a: number, b: number) => void
}

function createUnions(count: number): Unions {
  const parent = Array.from({ length: count }, (_, index) => index)
  const find = (index: number): number => {
    let root = index
    while (parent[root] !== root) root = parent[root] ?? root
    for (let at = index; at !== root;) {
      const next = parent[at] ?? root
      parent[at] = root
      at = next
    }
    return root
  }
  return {
    find,
    join(a, b) {
      const [rootA, rootB] = [find(a), find(b)]
      parent[Math.max(rootA, rootB)] = Math.min(rootA, rootB)
    },
  }
}
