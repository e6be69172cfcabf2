import { hmacSha256 } from '../internal/sha256.js'

/** What the adapter sees instead of a name: a keyed hash, the same for the same name. */
export interface Labels {
  of(kind: LabelKind, name: string): string
}

/** A lane and a gate of the same name must not look the same. */
export type LabelKind = 'lane' | 'gate' | 'key' | 'note'

/** Lanes and gates come again with every entry; this many of each are remembered. */
const remembered = 4096

/** HMAC-SHA-256 under a key that is used for nothing else. */
export function createLabels(hashKey: Uint8Array): Labels {
  const hash = hmacSha256(hashKey)
  const known = { lane: new Map<string, string>(), gate: new Map<string, string>() }

  function labelOf(kind: LabelKind, name: string): string {
    return hash(`${kind}\u0000${name}`)
  }

  return {
    of(kind, name) {
      if (kind === 'key' || kind === 'note') return labelOf(kind, name)
      const names = known[kind]
      const before = names.get(name)
      if (before !== undefined) return before
      const label = labelOf(kind, name)
      if (names.size >= remembered) names.clear()
      names.set(name, label)
      return label
    },
  }
}
