import { EnvelopeError } from './errors.js'
import { fetchJwks } from './internal/fetch-jwks.js'
import { wholeNumber } from './internal/options.js'
import { isKeyId } from './key-id.js'
import type { OpeningKey } from './opening-key.js'
import { importRecipient } from './recipient.js'
import type { Recipient } from './recipient.js'

const hourMs = 60 * 60 * 1000
const minuteMs = 60 * 1000

export interface KeyRingOptions {
  /** Private keys, for opening. Keep each for as long as envelopes made for it may still arrive. */
  readonly openingKeys?: readonly OpeningKey[]
  /** Public keys, for sealing, oldest first. */
  readonly recipients?: readonly Recipient[]
  /** A JWKS with public keys, for sealing; its keys come after `recipients`. */
  readonly url?: URL
  /** How long the answer of the URL is good, in milliseconds. Default 1 hour, at least 1 minute. */
  readonly refreshMs?: number
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

/** The keys of one receiver: the private ones it opens with, or the public ones its senders seal for. */
export interface KeyRing {
  /** The ids of all keys for opening, in the order given. */
  readonly keyIds: readonly string[]
  /** The key for opening with this id, or undefined. */
  find(keyId: string): OpeningKey | undefined
  /**
   * The key to seal for: of those valid now, the one whose certificate began last; without certificates the last one.
   * While the URL cannot be reached, the keys of its last answer go on serving.
   * Rejects with ERR_NO_VALID_RECIPIENT, or, when the URL never gave a JWKS, with ERR_KEYS_UNREACHABLE, ERR_TOO_LARGE,
   * ERR_INVALID_RECIPIENT (the answer is no JWKS) or ERR_INVALID_OPTION (the URL may not be fetched).
   */
  current(): Promise<Recipient>
}

/**
 * Holds the keys of a receiver so that they can be rotated without stopping anybody.
 * Throws ERR_DUPLICATE_KEY_ID or ERR_INVALID_OPTION.
 */
export function keyRing(options: KeyRingOptions | readonly OpeningKey[]): KeyRing {
  const {
    openingKeys = [],
    recipients = [],
    url,
    ...rest
  } = isList(options) ? { openingKeys: options } : options
  const byId = new Map(openingKeys.map((key) => [key.keyId, key]))
  if (
    byId.size < openingKeys.length ||
    new Set(recipients.map(({ keyId }) => keyId)).size < recipients.length
  ) {
    throw new EnvelopeError('ERR_DUPLICATE_KEY_ID', 'Two keys of the ring have the same key id.', {
      hint: 'Give every key its own id; a rotated key gets a new one.',
    })
  }
  const now = (): number => (rest.now ?? Date.now)()
  const published = url && publishedKeys(url, { ...rest, now })

  async function publishedOr(others: readonly Recipient[]): Promise<readonly Recipient[]> {
    try {
      return (await published?.()) ?? []
    } catch (error) {
      if (others.length > 0) return []
      throw error
    }
  }

  return {
    keyIds: [...byId.keys()],
    find: (keyId) => byId.get(keyId),
    async current() {
      const chosen = newestValid([...recipients, ...(await publishedOr(recipients))], now())
      if (chosen !== undefined) return chosen
      throw new EnvelopeError('ERR_NO_VALID_RECIPIENT', 'No public key of the ring is valid now.', {
        hint: "Add the receiver's current certificate or key, or check the clock of this device.",
      })
    },
  }
}

function isList(options: KeyRingOptions | readonly OpeningKey[]): options is readonly OpeningKey[] {
  return Array.isArray(options)
}

function newestValid(recipients: readonly Recipient[], now: number): Recipient | undefined {
  const valid = recipients.filter(({ notBefore, notAfter }) => {
    return now >= startOf(notBefore) && (notAfter === undefined || now <= Date.parse(notAfter))
  })
  const newest = Math.max(...valid.map(({ notBefore }) => startOf(notBefore)))
  return valid.findLast(({ notBefore }) => startOf(notBefore) === newest)
}

function startOf(notBefore: string | undefined): number {
  return notBefore === undefined ? Number.NEGATIVE_INFINITY : Date.parse(notBefore)
}

/** The usable keys of a JWKS, fetched again when they are old; one request at a time, a pause after a failure. */
function publishedKeys(
  url: URL,
  options: Pick<KeyRingOptions, 'refreshMs' | 'fetch'> & { readonly now: () => number },
): () => Promise<readonly Recipient[]> {
  const { now } = options
  const refreshMs = wholeNumber('refreshMs', options.refreshMs, {
    default: hourMs,
    min: minuteMs,
    max: 365 * 24 * hourMs,
  })
  let keys: readonly Recipient[] | undefined
  let nextAt = Number.NEGATIVE_INFINITY
  let running: Promise<void> | undefined

  async function refresh(): Promise<void> {
    try {
      keys = await importUsable(await fetchJwks(url, options))
      nextAt = now() + refreshMs
    } finally {
      nextAt = Math.max(nextAt, now() + minuteMs)
      running = undefined
    }
  }

  return async () => {
    // A clock that was set back must not keep old keys for ever.
    const due = now() >= nextAt || nextAt - now() > refreshMs
    if (due) running ??= refresh()
    if (keys !== undefined) {
      running?.catch(() => undefined)
      return keys
    }
    if (due) await running
    return keys ?? notYet()
  }
}

function notYet(): never {
  throw new EnvelopeError('ERR_KEYS_UNREACHABLE', 'The JWKS of the ring has not been reached yet.', {
    hint: 'It is tried again a minute after the last attempt; check the URL and the network.',
  })
}

/** Keys that cannot be used here (other algorithms, signing keys) are left out: a JWKS often serves several purposes. */
async function importUsable(
  jwks: readonly Readonly<Record<string, unknown>>[],
): Promise<readonly Recipient[]> {
  const imports = jwks.map(async (jwk) => {
    const { kid } = jwk
    if (typeof kid !== 'string' || !isKeyId(kid)) return undefined
    return await importRecipient(jwk, { keyId: kid }).catch((error: unknown) => {
      if (error instanceof EnvelopeError) return undefined
      throw error
    })
  })
  const usable = (await Promise.all(imports)).filter((recipient) => recipient !== undefined)
  // Which of two keys with one id the receiver means must not be a guess.
  return usable.filter(({ keyId, fingerprint }) =>
    usable.every((other) => other.keyId !== keyId || other.fingerprint === fingerprint),
  )
}
