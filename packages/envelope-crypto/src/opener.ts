import { defaultMaxBytes, mostMaxBytes, parseEnvelope } from './envelope.js'
import { EnvelopeError } from './errors.js'
import { throwIfAborted } from './internal/abort.js'
import { wholeNumber } from './internal/options.js'
import type { KeyRing } from './key-ring.js'
import type { OpeningKey } from './opening-key.js'
import { openC3Pro } from './suites/c3-pro.js'

/**
 * Finds a private key by id; undefined when there is none. The id has been checked: 1 to 128 letters, digits, `-`, `_`
 * and inner dots, so it is safe in a file name.
 */
export type OpeningKeyLookup = (
  keyId: string,
  context: OpenContext,
) => OpeningKey | undefined | Promise<OpeningKey | undefined>

export interface OpenerOptions {
  /** A key ring, or a function that finds a key by its id. */
  readonly keys: KeyRing | OpeningKeyLookup
  /** Largest plaintext in bytes. Default 16 MiB, at most 256 MiB. */
  readonly maxBytes?: number
}

export interface OpenContext {
  /** Aborts before the next step; the rejection is named AbortError. */
  readonly signal?: AbortSignal | undefined
}

export interface Opened {
  readonly plaintext: Uint8Array
  /** The id of the key that opened it. */
  readonly keyId: string
  /** FHIR version the sender told, `1.0.2` when it told none. Not authenticated. */
  readonly version: string
  readonly suite: 'c3-pro'
}

export interface Opener {
  /**
   * Decrypts a parsed envelope. Rejects with ERR_INVALID_ENVELOPE (not an envelope), ERR_TOO_LARGE, ERR_UNKNOWN_KEY,
   * ERR_KEY_LOOKUP_FAILED (try again later), ERR_OPEN_FAILED (every cryptographic failure) or ERR_CRYPTO_UNAVAILABLE.
   */
  open(envelope: unknown, context?: OpenContext): Promise<Uint8Array>
  /** The same, with what the envelope said about itself. */
  openDetailed(envelope: unknown, context?: OpenContext): Promise<Opened>
}

/** Opens C3-PRO envelopes by key id. Throws ERR_INVALID_OPTION. */
export function createOpener(options: OpenerOptions): Opener {
  const maxBytes = wholeNumber('maxBytes', options.maxBytes, {
    default: defaultMaxBytes,
    min: 0,
    max: mostMaxBytes,
  })
  const { keys } = options
  const find: OpeningKeyLookup = typeof keys === 'function' ? keys : (keyId) => keys.find(keyId)

  async function openDetailed(envelope: unknown, context: OpenContext = {}): Promise<Opened> {
    throwIfAborted(context.signal)
    const { keyId, version, sealed } = parseEnvelope(envelope, maxBytes)
    const key = await lookUp(find, keyId, context)
    throwIfAborted(context.signal)
    const plaintext = await openC3Pro(key.privateKeys['RSA-OAEP'], sealed)
    if (plaintext === undefined) throw openFailed()
    throwIfAborted(context.signal)
    return { plaintext, keyId, version, suite: 'c3-pro' }
  }

  return {
    openDetailed,
    async open(envelope, context) {
      return (await openDetailed(envelope, context)).plaintext
    },
  }
}

async function lookUp(find: OpeningKeyLookup, keyId: string, context: OpenContext): Promise<OpeningKey> {
  let key: OpeningKey | undefined
  try {
    key = await find(keyId, context)
  } catch (cause) {
    throwIfAborted(context.signal)
    throw new EnvelopeError('ERR_KEY_LOOKUP_FAILED', 'The private key could not be looked up.', {
      hint: 'The envelope may be fine: try again when the key store answers.',
      cause,
    })
  }
  if (key === undefined) {
    throw new EnvelopeError('ERR_UNKNOWN_KEY', 'There is no private key for the key_id of this envelope.', {
      hint: 'Add the private key it was sealed for, or ask the sender to seal for a key you hold.',
    })
  }
  return key
}

/** One error for every failed decryption: whoever can tell them apart can decrypt messages with it. */
function openFailed(): EnvelopeError {
  return new EnvelopeError('ERR_OPEN_FAILED', 'The envelope could not be opened.', {
    hint: 'It is damaged or was sealed for another key; keep it aside, opening it again will not help.',
  })
}
