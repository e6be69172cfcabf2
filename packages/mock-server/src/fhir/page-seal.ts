import { fromBase64Url, toBase64Url, utf8 } from '../bytes.js'
import { isObject } from '../json.js'
import type { FhirProfile } from './profile.js'
import type { Cursor } from './repository.js'
import type { Pair } from './search.js'

/** Everything a page needs: it travels inside the link, and the server keeps no book. */
export interface PageState {
  readonly kind: 'search' | 'history' | 'everything'
  /** Absent for the whole system. */
  readonly type?: string
  readonly id?: string
  readonly pairs: readonly Pair[]
  /** In place of `pairs`, for searches by POST whose parameters stay in memory. */
  readonly clauses?: string
  /** The transaction whose state all pages show. */
  readonly t: number
  readonly after?: Cursor
  /** Where the pages before this one began, oldest first; `null` for the first page. */
  readonly back: readonly (Cursor | null)[]
  readonly total?: number
}

const hour = 60 * 60 * 1000

/** Of three keys one is fresh and waits, one seals, one only opens. A key is made every two hours. */
const keyLives = {
  'hours-3-to-5': { waitMs: hour, dropMs: 6 * hour },
  'hours-2-to-4': { waitMs: 2 * hour, dropMs: 6 * hour },
} as const
const keyEveryMs = 2 * hour

export interface PageSeal {
  seal(state: PageState, now: number): Promise<string>
  /** `undefined` for what was altered, has expired or was never sealed here: indistinguishable on purpose. */
  open(token: string, now: number): Promise<PageState | undefined>
}

/** Seals by AES-128-GCM under a ring of keys that the clock turns. */
export function createPageSeal(
  secret: () => string,
  nonce: () => Uint8Array,
  life: FhirProfile['pageLife'],
): PageSeal {
  const { waitMs, dropMs } = keyLives[life]
  const keys = new Map<string, Promise<CryptoKey>>()
  const keyOf = (generation: number): Promise<CryptoKey> => {
    const name = `${secret()} ${generation}`
    let key = keys.get(name)
    if (key === undefined) {
      key = makeKey(name)
      keys.set(name, key)
    }
    return key
  }
  return {
    seal: async (state, now) => {
      const iv = new Uint8Array(nonce())
      const key = await keyOf(Math.floor((now - waitMs) / keyEveryMs))
      const plain = utf8(JSON.stringify(state))
      const sealed = new Uint8Array(
        await globalThis.crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, plain),
      )
      const token = new Uint8Array(iv.length + sealed.length)
      token.set(iv)
      token.set(sealed, iv.length)
      return toBase64Url(token)
    },
    open: async (token, now) => {
      const bytes = fromBase64Url(token)
      if (bytes === undefined || bytes.length < 29) return undefined
      const iv = bytes.slice(0, 12)
      const sealed = bytes.slice(12)
      const newest = Math.floor((now - waitMs) / keyEveryMs)
      const oldest = Math.floor((now - dropMs) / keyEveryMs) + 1
      for (let generation = newest; generation >= oldest; generation -= 1) {
        const plain = await globalThis.crypto.subtle
          .decrypt({ name: 'AES-GCM', iv }, await keyOf(generation), sealed)
          .catch(() => undefined)
        if (plain === undefined) continue
        const state: unknown = JSON.parse(new TextDecoder().decode(plain))
        return isObject(state) ? (state as unknown as PageState) : undefined
      }
      return undefined
    },
  }
}

async function makeKey(name: string): Promise<CryptoKey> {
  const { subtle } = globalThis.crypto
  const hash = await subtle.digest('SHA-256', utf8(`page key ${name}`))
  return subtle.importKey('raw', hash.slice(0, 16), 'AES-GCM', false, ['encrypt', 'decrypt'])
}
