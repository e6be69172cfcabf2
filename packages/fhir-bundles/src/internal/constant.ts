// Codes, categories and profiles are the same in every resource: built once, shared, and printed once.
const PRINTED = Symbol('printed')

/** Where the JSON text of a constant is kept once somebody has printed it. */
type Printed = { json: string | undefined }

/** Freezes a value for good and makes a place for its JSON text. */
export function constant<T extends object>(value: T): T {
  const printed: Printed = { json: undefined }
  // Not enumerable: copies of the value, which may be changed, do not take the text along.
  Object.defineProperty(value, PRINTED, { value: printed })
  return deepFrozen(value)
}

export function printedOf(value: object): Printed | undefined {
  return (value as { readonly [PRINTED]?: Printed })[PRINTED]
}

/** Engines put off adding texts up until a character is read; what is kept should not be added up each time again. */
export function inOnePiece(text: string): string {
  return text.charCodeAt(0) >= 0 ? text : ''
}

export function deepFrozen<T extends object>(value: T): T {
  for (const item of Object.values(value)) {
    if (typeof item === 'object' && item !== null && !Object.isFrozen(item)) deepFrozen(item as object)
  }
  return Object.freeze(value)
}

/** The constant of a key, made when the first resource needs it. */
export function remembered<K, V extends object>(cache: Map<K, V>, key: K, make: () => V): V {
  const known = cache.get(key)
  if (known !== undefined) return known
  const value = constant(make())
  cache.set(key, value)
  return value
}
