/** The part of Web Locks that the spike needs. `navigator.locks` fits. */
export interface Locks {
  request(
    name: string,
    options: { readonly ifAvailable?: boolean; readonly signal?: AbortSignal },
    hold: (lock: unknown) => Promise<void>,
  ): Promise<unknown>
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(new DOMException('given up', 'AbortError')))
  })
}

/** Web Locks for one process, where the platform has none. */
export function processLocks(): Locks {
  /** What the next one has to wait for. */
  const last = new Map<string, Promise<unknown>>()
  return {
    async request(name, { ifAvailable, signal }, hold) {
      const before = last.get(name)
      if (before !== undefined && ifAvailable === true) return await hold(null)
      let release = (): void => undefined
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      const mine = Promise.all([before, released])
      last.set(name, mine)
      const forget = async (): Promise<void> => {
        if (before !== undefined) await before
        if (last.get(name) === mine) last.delete(name)
      }
      try {
        await Promise.race([before, aborted(signal)])
        return await hold({})
      } finally {
        release()
        void forget()
      }
    },
  }
}
