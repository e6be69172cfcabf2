import { EnvelopeError } from './errors.js'
import type { OpeningKey } from './opening-key.js'

/** The private keys a receiver holds. Keep a key here for as long as envelopes made for it may still arrive. */
export interface KeyRing {
  /** The ids of all keys, in the order given. */
  readonly keyIds: readonly string[]
  /** The key with this id, or undefined. */
  find(keyId: string): OpeningKey | undefined
}

/** Holds opening keys by id, so that keys can be rotated. Throws ERR_DUPLICATE_KEY_ID. */
export function keyRing(keys: readonly OpeningKey[]): KeyRing {
  const byId = new Map<string, OpeningKey>()
  for (const key of keys) {
    if (byId.has(key.keyId)) {
      throw new EnvelopeError('ERR_DUPLICATE_KEY_ID', 'Two keys of the ring have the same key id.', {
        hint: 'Give every key its own id; a rotated key gets a new one.',
      })
    }
    byId.set(key.keyId, key)
  }
  return {
    keyIds: [...byId.keys()],
    find: (keyId) => byId.get(keyId),
  }
}
