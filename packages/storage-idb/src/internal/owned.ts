/**
 * A copy that the caller cannot change any more. Not `structuredClone`: it copies the whole buffer behind a view,
 * so that the database would keep bytes that were never handed over; nor `slice`, which a Buffer does not copy by.
 * Bytes that are shared inside stay shared.
 */
export function owned<Value>(value: Value): Value {
  const copies = new Map<Uint8Array, Uint8Array>()
  function copyOf(inner: unknown): unknown {
    if (typeof inner !== 'object' || inner === null) return inner
    if (inner instanceof Uint8Array) {
      const copy = copies.get(inner) ?? new Uint8Array(inner)
      copies.set(inner, copy)
      return copy
    }
    if (Array.isArray(inner)) return inner.map(copyOf)
    const copy: Record<string, unknown> = {}
    for (const [member, part] of Object.entries(inner)) copy[member] = copyOf(part)
    return copy
  }
  return copyOf(value) as Value
}
