import { BundleError } from './errors.js'
import { type Group, groupsOf } from './internal/closure.js'
import { invalidEntry, writeTarget } from './internal/references.js'
import type { TransactionBundle, TransactionEntry } from './resources.js'
import { stringifyExact } from './stringify-exact.js'

/** What the server takes in one transaction. Each at least 1; unlimited when absent. */
export type TransactionLimits = {
  readonly entries?: number
  /** UTF-8 octets of the whole bundle. */
  readonly bytes?: number
  /** Conditional creates, updates, patches and deletes: some servers take only a few. */
  readonly conditionalEntries?: number
}

export type PackOptions<E extends TransactionEntry = TransactionEntry> = {
  /** UTF-8 octets of one entry; by default those that `stringifyExact` prints. Asked only with `limits.bytes`. */
  readonly sizeOf?: (entry: E, index: number) => number
}

export type TransactionPart<E extends TransactionEntry = TransactionEntry> = {
  readonly bundle: TransactionBundle<E>
  /** For every entry of `bundle` its index in what was packed. */
  readonly indexes: readonly number[]
}

/**
 * Packs entries into as few transactions as their order allows, so that every reference among the entries is
 * answered inside its own transaction or by an earlier one. Send the parts in order.
 *
 * Conditional creates that others refer to (patient, devices, coincident time stamp) are repeated in every part
 * that needs them; nothing else is ever repeated, and what refers to a plain create stays with it.
 *
 * @throws BundleError `ERR_ENTRY_TOO_LARGE` (with `bytes`), one entry alone exceeds the limit;
 * `ERR_REFERENCE_CLOSURE`, entries that must stay together exceed the limits, or a `urn:uuid` that no entry has;
 * `ERR_INVALID_BUNDLE`, an entry without request, one fullUrl twice, one resource written twice in what must
 * stay together; `ERR_INVALID_OPTION`.
 */
export function packTransaction<E extends TransactionEntry>(
  entries: readonly E[],
  limits: TransactionLimits,
  options: PackOptions<E> = {},
): readonly TransactionPart<E>[] {
  checkLimits(limits)
  const groups = groupsOf(entries)
  const sizeOf = options.sizeOf ?? printedSize()
  const sizes = limits.bytes === undefined ? [] : entries.map(sizeOf)
  const parts: Part[] = []
  let current = createPart(entries, sizes, limits)
  for (const group of groups) {
    if (current.add(group)) continue
    if (current.chosen.size > 0) {
      parts.push(current)
      current = createPart(entries, sizes, limits)
      if (current.add(group)) continue
    }
    throw tooLarge(entries, group, sizes, limits)
  }
  if (current.chosen.size > 0) parts.push(current)
  return parts.map(({ chosen }) => partOf(entries, chosen))
}

/** A bundle of the chosen entries, in their original order. */
export function partOf<E extends TransactionEntry>(
  entries: readonly E[],
  chosen: ReadonlySet<number>,
): TransactionPart<E> {
  const indexes = [...chosen].toSorted((a, b) => a - b)
  const entry = indexes.map((index) => entries[index]).filter((item) => item !== undefined)
  return { bundle: { resourceType: 'Bundle', type: 'transaction', entry }, indexes }
}

const OVERHEAD = '{"resourceType":"Bundle","type":"transaction","entry":[]}'.length

function printedSize(): (entry: TransactionEntry) => number {
  const encoder = new TextEncoder()
  return (entry) => encoder.encode(stringifyExact(entry)).length
}

type Part = {
  readonly chosen: ReadonlySet<number>
  /** Adds the group when it fits, else changes nothing and returns false. */
  readonly add: (group: Group) => boolean
}

function createPart(
  entries: readonly TransactionEntry[],
  sizes: readonly number[],
  limits: TransactionLimits,
): Part {
  const chosen = new Set<number>()
  const targets = new Set<string>()
  let bytes = OVERHEAD
  let conditional = 0
  return {
    chosen,
    add({ own, supports }) {
      const fresh = [...own, ...supports].filter((index) => !chosen.has(index))
      const freshTargets = fresh
        .map((index) => targetAt(entries, index))
        .filter((target) => target !== undefined)
      // A comma before every entry but the first.
      const commas = chosen.size === 0 ? fresh.length - 1 : fresh.length
      const moreBytes = fresh.reduce((sum, index) => sum + (sizes[index] ?? 0), commas)
      const moreConditional = fresh.filter((index) => isConditional(entries[index])).length
      const fits =
        chosen.size + fresh.length <= (limits.entries ?? Infinity) &&
        bytes + moreBytes <= (limits.bytes ?? Infinity) &&
        conditional + moreConditional <= (limits.conditionalEntries ?? Infinity) &&
        new Set(freshTargets).size === freshTargets.length &&
        !freshTargets.some((target) => targets.has(target))
      if (!fits) return false
      for (const index of fresh) chosen.add(index)
      for (const target of freshTargets) targets.add(target)
      bytes += moreBytes
      conditional += moreConditional
      return true
    },
  }
}

function targetAt(entries: readonly TransactionEntry[], index: number): string | undefined {
  const entry = entries[index]
  return entry === undefined ? undefined : writeTarget(entry)
}

function isConditional(entry: TransactionEntry | undefined): boolean {
  if (entry === undefined || entry.request.method === 'GET') return false
  return entry.request.method === 'POST'
    ? entry.request.ifNoneExist !== undefined
    : entry.request.url.includes('?')
}

function tooLarge(
  entries: readonly TransactionEntry[],
  { own, supports }: Group,
  sizes: readonly number[],
  limits: TransactionLimits,
): BundleError {
  const indexes = [...own, ...supports].toSorted((a, b) => a - b)
  const oversized = indexes.find((index) => OVERHEAD + (sizes[index] ?? 0) > (limits.bytes ?? Infinity))
  if (oversized !== undefined) {
    return new BundleError('ERR_ENTRY_TOO_LARGE', `entry[${oversized}] alone is larger than limits.bytes`, {
      path: `entry[${oversized}]`,
      bytes: OVERHEAD + (sizes[oversized] ?? 0),
    })
  }
  const targets = new Set<string>()
  for (const index of indexes) {
    const target = targetAt(entries, index)
    if (target === undefined) continue
    if (targets.has(target)) return invalidEntry(index, 'writes what an entry it must travel with writes too')
    targets.add(target)
  }
  const [first = 0] = indexes
  return new BundleError(
    'ERR_REFERENCE_CLOSURE',
    `${indexes.length} entries from entry[${first}] on must stay together and exceed the limits`,
    { path: `entry[${first}]` },
  )
}

function checkLimits(limits: TransactionLimits): void {
  for (const name of ['entries', 'bytes', 'conditionalEntries'] as const) {
    const limit = limits[name]
    if (limit !== undefined && !(limit >= 1)) {
      throw new BundleError('ERR_INVALID_OPTION', `limits.${name} must be at least 1`, {
        path: `limits.${name}`,
      })
    }
  }
}
