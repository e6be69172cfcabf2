import { scope } from './scope.js'

/**
 * A script of its own for something large: evaluated when it is needed, not whenever the browser starts the worker.
 * `prepare` belongs into the installation: only what was imported then may be imported later, without a network too.
 */
export function lazyScript<T>(url: string, read: () => T | undefined): { prepare(): void; load(): T } {
  const prepare = (): void => scope.importScripts(url)
  return {
    prepare,
    load() {
      if (read() === undefined) prepare()
      const loaded = read()
      if (loaded === undefined) throw new Error('A part of the service worker did not load.')
      return loaded
    },
  }
}
