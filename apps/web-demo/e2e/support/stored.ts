import type { Page } from 'playwright'

/** What scripts of the page can find in the browser, each as one text: a byte is a character. */
export interface Stored {
  /** Every database, `localStorage`, `sessionStorage` and cookies. */
  readonly records: string
  /** Every cache: there the app keeps its own files. */
  readonly files: string
}

/** Everything that the browser keeps for the origin of the page. */
export function everythingStored(page: Page): Promise<Stored> {
  return page.evaluate(async () => {
    const bytesText = (bytes: Uint8Array): string => {
      let text = ''
      for (let at = 0; at < bytes.length; at += 4096) {
        text += String.fromCodePoint(...bytes.subarray(at, at + 4096))
      }
      return text
    }
    const textOf = async (value: unknown): Promise<string> => {
      if (value instanceof Blob) return bytesText(new Uint8Array(await value.arrayBuffer()))
      if (value instanceof ArrayBuffer) return bytesText(new Uint8Array(value))
      if (ArrayBuffer.isView(value))
        return bytesText(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
      if (value instanceof CryptoKey) return `key, extractable: ${value.extractable}`
      if (typeof value !== 'object' || value === null) return String(value)
      const parts: unknown[] =
        value instanceof Map || value instanceof Set || Array.isArray(value)
          ? [...value]
          : Object.entries(value)
      const texts: string[] = []
      for (const part of parts) texts.push(await textOf(part))
      return texts.join('\n')
    }
    const finished = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.addEventListener('success', () => resolve(request.result))
        request.addEventListener('error', () => reject(request.error))
      })
    const records: string[] = []
    for (const { name } of await indexedDB.databases()) {
      if (name === undefined) continue
      const database = await finished(indexedDB.open(name))
      for (const store of database.objectStoreNames) {
        const all = database.transaction(store).objectStore(store)
        records.push(await textOf(await Promise.all([finished(all.getAll()), finished(all.getAllKeys())])))
      }
      database.close()
    }
    records.push(await textOf(Object.entries(localStorage)))
    records.push(await textOf(Object.entries(sessionStorage)), document.cookie)
    const files: string[] = []
    for (const name of await caches.keys()) {
      const cache = await caches.open(name)
      for (const request of await cache.keys()) {
        const response = await cache.match(request)
        files.push(request.url, await textOf(await response?.arrayBuffer()))
      }
    }
    return { records: records.join('\n'), files: files.join('\n') }
  })
}

/** A reading that is nowhere else, and what would give it away. */
export const marked = {
  systolic: '187.65',
  diastolic: '98.76',
  /** Nothing but the reading has them. */
  values: ['187.65', '98.76'],
  /** The app's own files have these too. */
  words: ['Observation', 'demo-patients', 'urn:uuid'],
} as const

/** The markers that stand in a text. */
export function markersIn(text: string): readonly string[] {
  return [...marked.values, ...marked.words].filter((marker) => text.includes(marker))
}

/** The markers that stand anywhere in the browser. */
export async function markersStored(page: Page): Promise<readonly string[]> {
  const { records, files } = await everythingStored(page)
  return [...markersIn(records), ...marked.values.filter((marker) => files.includes(marker))]
}
