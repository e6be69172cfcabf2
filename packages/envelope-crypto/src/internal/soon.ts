/**
 * There already, or to be waited for. Node encrypts a small message in less time than a promise takes, so what is there
 * is not waited for.
 */
export type Soon<T> = T | Promise<T>

export function isPromise<T>(value: Soon<T>): value is Promise<T> {
  return value instanceof Promise
}

export function andThen<T, U>(value: Soon<T>, use: (value: T) => Soon<U>): Soon<U> {
  return isPromise(value) ? value.then(use) : use(value)
}

/** What `call` answers; when it throws, a promise that rejects. */
export function rejecting<T>(call: () => Soon<T>): Soon<T> {
  try {
    return call()
  } catch (cause) {
    return Promise.reject(cause)
  }
}
