/**
 * There already, or to be waited for. Ciphers seal small records in less time than a promise takes, so nothing here
 * waits for what is there.
 */
export type Soon<T> = T | Promise<T>

function isPromise<T>(value: Soon<T>): value is Promise<T> {
  return value instanceof Promise
}

/** For answers from outside: a promise of a library, or of another realm, becomes one that is known here. */
export function adopt<T>(value: Soon<T>): Soon<T> {
  const then: unknown = (value as Partial<Promise<T>> | null | undefined)?.then
  return typeof then === 'function' ? Promise.resolve(value) : value
}

export function andThen<T, U>(value: Soon<T>, use: (value: T) => Soon<U>): Soon<U> {
  return isPromise(value) ? value.then(use) : use(value)
}

/** All of them; rejects as `Promise.all` does. */
export function allOf<T>(values: readonly Soon<T>[]): Soon<readonly T[]> {
  const there: T[] = []
  for (const value of values) {
    if (isPromise(value)) return Promise.all(values)
    there.push(value)
  }
  return there
}

export function both<A, B>(a: Soon<A>, b: Soon<B>): Soon<readonly [A, B]> {
  return isPromise(a) || isPromise(b) ? Promise.all([a, b]) : [a, b]
}
