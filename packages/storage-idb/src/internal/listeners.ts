/** Who wants to be told. */
export interface Listeners<Event> {
  readonly size: number
  add(listener: (event: Event) => void): () => void
  tell(event: Event): void
  clear(): void
}

export function createListeners<Event>(): Listeners<Event> {
  const all = new Set<(event: Event) => void>()
  return {
    get size() {
      return all.size
    },
    add(listener) {
      // A wrapper of its own: the same function may be added twice, and each ends alone.
      const own = (event: Event): void => listener(event)
      all.add(own)
      return () => all.delete(own)
    },
    tell(event) {
      for (const listener of Array.from(all)) {
        try {
          listener(event)
        } catch (error) {
          // The listener's fault must be seen, but must not cost the others their news, or this handle its lock.
          queueMicrotask(() => {
            throw error
          })
        }
      }
    },
    clear: () => all.clear(),
  }
}
