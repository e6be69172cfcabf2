import { encodeText } from '../internal/bytes.js'
import { hmacSha256 } from '../internal/sha256.js'

/** What the adapter sees instead of a name: a keyed hash, the same for the same name. */
export interface Labels {
  of(kind: LabelKind, name: string): string
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
export function createLabels(hashKey: Uint8Array): Labels {
  const hash = hmacSha256(hashKey)
  const known = new Map<string, string>()

  return {
    of(kind, name) {
      const text = `${kind}\u0000${name}`
      const before = known.get(text)
      if (before !== undefined) return before
      const label = base64url(hash(encodeText(text)))
      if (kind === 'key' || kind === 'note') return label
      if (known.size >= remembered) known.clear()
      known.set(text, label)
      return label
    },
  }
}
