interface AppFile {
  readonly url: string
  /** `null`: the name of the file changes with its content. */
  readonly revision: string | null
}

export interface AppFiles {
  /** Fetches and keeps every file of this version, or rejects and keeps none. */
  store(): Promise<void>
  /** Forgets the files of other versions. */
  removeOthers(): Promise<void>
  /** The answer to a request for a file of the app, whatever the network does; `undefined` for anything else. */
  answer(request: Request): Promise<Response> | undefined
}

const prefix = 'fhir-outbox-app-'

/** A short name for this set of files: another set is another version. */
function versionOf(list: readonly AppFile[]): string {
  let hash = 0x811c9dc5
  for (const { url, revision } of list) {
    for (const char of `${url} ${revision ?? ''}\n`)
      hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  }
  return (hash >>> 0).toString(16)
}

/** The files of the app, kept by the service worker, so that it opens without a network. */
export function appFiles(base: string, list: readonly AppFile[]): AppFiles {
  const name = prefix + versionOf(list)
  const urls = new Set(list.map(({ url }) => new URL(url, base).href))
  const page = new URL('index.html', base).href

  async function fromCache(url: string, request: Request): Promise<Response> {
    const cache = await caches.open(name)
    return (await cache.match(url)) ?? fetch(request)
  }

  return {
    async store() {
      const cache = await caches.open(name)
      // `reload`: past the HTTP cache, which may hold files of another version.
      await cache.addAll([...urls].map((url) => new Request(url, { cache: 'reload' })))
    },
    async removeOthers() {
      const names = await caches.keys()
      const others = names.filter((other) => other.startsWith(prefix) && other !== name)
      await Promise.all(others.map((other) => caches.delete(other)))
    },
    answer(request) {
      if (request.method !== 'GET') return undefined
      const url = new URL(request.url)
      url.search = ''
      url.hash = ''
      if (request.mode === 'navigate' && (url.href === base || url.href === page)) {
        return fromCache(page, request)
      }
      return urls.has(url.href) ? fromCache(url.href, request) : undefined
    },
  }
}
