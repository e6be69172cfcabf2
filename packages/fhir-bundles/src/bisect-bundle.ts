import { groupsOf } from './internal/closure.js'
import { partOf, type TransactionPart } from './pack-transaction.js'
import type { TransactionEntry } from './resources.js'

/**
 * Halves a transaction that was refused, to find the entry at fault in about log2(n) requests. Each half keeps
 * its references; conditional entries that both need are in both. Send the left half first, so that order holds.
 *
 * @returns the two halves, or undefined when the bundle cannot be halved: its entries must stay together.
 * @throws BundleError `ERR_INVALID_BUNDLE`, `ERR_REFERENCE_CLOSURE`, as `packTransaction`.
 */
export function bisectBundle<E extends TransactionEntry>(bundle: {
  readonly entry: readonly E[]
}): readonly [TransactionPart<E>, TransactionPart<E>] | undefined {
  const groups = groupsOf(bundle.entry)
  if (groups.length < 2) return undefined
  const total = groups.reduce((sum, { own }) => sum + own.length, 0)
  const left = new Set<number>()
  const right = new Set<number>()
  let placed = 0
  for (const [position, { own, supports }] of groups.entries()) {
    // The first group is always left and the last one right, so that both halves shrink.
    const isLeft = position === 0 || (position < groups.length - 1 && placed + own.length <= total / 2)
    placed = isLeft ? placed + own.length : total
    for (const index of [...own, ...supports]) (isLeft ? left : right).add(index)
  }
  return [partOf(bundle.entry, left), partOf(bundle.entry, right)]
}
