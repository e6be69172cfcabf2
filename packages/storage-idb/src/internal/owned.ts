/**
 * A copy that the caller cannot change any more. Not `structuredClone`: it copies the whole buffer behind a view,
 * so that the database would keep bytes that were never handed over. What is shared inside stays shared.
 */
export function owned<Value>(value: Value): Value {
  const copies = new Map<unknown, unknown>()
  function copyOf(inner: unknown): unknown {
    if (typeof inner !== 'object' || inner === null) return inner
    const known = copies.get(inner)
    if (known !== undefined) return known
    const copy =
      inner instanceof Uint8Array
        ? inner.slice()
        : Array.isArray(inner)
          ? inner.map(copyOf)
          : Object.fromEntries(Object.entries(inner).map(([member, part]) => [member, copyOf(part)]))
    copies.set(inner, copy)
    return copy
  }
  return copyOf(value) as Value
}
