import { encodeText } from '../internal/bytes.js'

/** What the adapter sees instead of a name: a keyed hash, the same for the same name. */
export interface Labels {
  of(kind: LabelKind, name: string): Promise<string>
}

/** A lane and a gate of the same name must not look the same. */
export type LabelKind = 'lane' | 'gate' | 'key' | 'note'

/** Lanes and gates come again with every entry; this many are remembered. */
const remembered = 4096

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** HMAC-SHA-256 under a key that is used for nothing else. */
export async function createLabels(hashKey: Uint8Array): Promise<Labels> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', hashKey.slice(), algorithm, false, ['sign'])
  const known = new Map<string, Promise<string>>()

  async function hash(text: string): Promise<string> {
    return base64url(new Uint8Array(await crypto.subtle.sign('HMAC', key, encodeText(text).slice())))
  }

  return {
    of(kind, name) {
      const text = `${kind}\u0000${name}`
      if (kind === 'key' || kind === 'note') return hash(text)
      const before = known.get(text)
      if (before !== undefined) return before
      if (known.size >= remembered) known.clear()
      const label = hash(text)
      known.set(text, label)
      return label
    },
  }
}
