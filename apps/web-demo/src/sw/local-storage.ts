// MSW remembers cookies in `localStorage` and refuses to load without one, which is what service workers are:
// without one. It gets one that lasts as long as the worker.
const items = new Map<string, string>()

Object.defineProperty(globalThis, 'localStorage', {
  configurable: true,
  value: {
    getItem: (key: string): string | null => items.get(key) ?? null,
    setItem: (key: string, value: string): void => void items.set(key, value),
    removeItem: (key: string): void => void items.delete(key),
    clear: (): void => items.clear(),
  },
})
