/** Assertions of the suite's own, so that it needs no test library. */

function show(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes(${value.length})[${value.slice(0, 16).join(' ')}]`
  if (typeof value === 'object' && value !== null) {
    return JSON.stringify(value, (_key, inner: unknown) =>
      inner instanceof Uint8Array ? show(inner) : inner,
    )
  }
  return String(value)
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    if (!(a instanceof Uint8Array) || !(b instanceof Uint8Array) || a.length !== b.length) return false
    return a.every((byte, at) => byte === b[at])
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = Object.entries(a)
  const right = new Map(Object.entries(b))
  return (
    left.length === right.size &&
    left.every(([name, value]) => right.has(name) && same(value, right.get(name)))
  )
}

export function ok(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`storage contract: ${what}`)
}

export function equal(actual: unknown, expected: unknown, what: string): void {
  ok(same(actual, expected), `${what}: expected ${show(expected)}, got ${show(actual)}`)
}

/** The value, which must be there. */
export function present<Value>(value: Value | undefined, what: string): Value {
  ok(value !== undefined, `${what} is missing`)
  return value
}

/** The promise must reject with this `code`. */
export async function rejects(promise: Promise<unknown>, code: string, what: string): Promise<void> {
  let thrown: unknown
  try {
    await promise
  } catch (error) {
    thrown = error
  }
  ok(thrown !== undefined, `${what}: expected ${code}, but it was accepted`)
  const actual = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : thrown
  equal(actual, code, what)
}
