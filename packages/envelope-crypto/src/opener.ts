import { defaultMaxBytes, mostMaxBytes, parseEnvelope } from './envelope.js'
import { EnvelopeError } from './errors.js'
import { throwIfAborted } from './internal/abort.js'
import { wholeNumber } from './internal/options.js'
import { isJwe, parseJwe } from './jwe-envelope.js'
import type { JweClaims } from './jwe-envelope.js'
import type { KeyRing } from './key-ring.js'
import type { OpeningKey } from './opening-key.js'
import { openC3Pro } from './suites/c3-pro.js'
import { jweAlgorithms, openJwe } from './suites/jwe.js'

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
  readonly keys: Pick<KeyRing, 'find'> | OpeningKeyLookup
  /** Largest plaintext in bytes. Default 16 MiB, at most 256 MiB. */
  readonly maxBytes?: number
}

export interface OpenContext {
  /** Refuses an envelope that was not sealed for the entry with this key (ERR_WRONG_ENTRY), so every one of C3-PRO. */
  readonly key?: string | undefined
  /** Refuses an envelope that was not sealed for this destination (ERR_WRONG_ENTRY), so every one of C3-PRO. */
  readonly destination?: string | undefined
  /** Aborts before the next step; the rejection is named AbortError. */
  readonly signal?: AbortSignal | undefined
}

/** A C3-PRO envelope that was opened. Nothing about it is authenticated. */
export interface OpenedC3Pro {
  readonly suite: 'c3-pro'
  readonly plaintext: Uint8Array
  /** The id of the key that opened it. */
  readonly keyId: string
  /** FHIR version the sender told, `1.0.2` when it told none. */
  readonly version: string
}

/** A JWE that was opened; its claims are as they were sealed. */
export interface OpenedJwe extends JweClaims {
  readonly suite: 'jwe'
  readonly plaintext: Uint8Array
  readonly keyId: string
}

export type Opened = OpenedC3Pro | OpenedJwe

export interface Opener {
  /**
   * Decrypts an envelope of either suite: parsed JSON, or a JWE in compact form as text. Rejects with
   * ERR_INVALID_ENVELOPE (not an envelope), ERR_TOO_LARGE, ERR_UNKNOWN_KEY, ERR_KEY_LOOKUP_FAILED (try again later),
   * ERR_OPEN_FAILED (every cryptographic failure), ERR_WRONG_ENTRY or ERR_CRYPTO_UNAVAILABLE.
   */
  open(envelope: unknown, context?: OpenContext): Promise<Uint8Array>
  /** The same, with what the envelope said about itself. */
  openDetailed(envelope: unknown, context?: OpenContext): Promise<Opened>
}

/** Opens envelopes of both suites by key id. Throws ERR_INVALID_OPTION. */
export function createOpener(options: OpenerOptions): Opener {
  const maxBytes = wholeNumber('maxBytes', options.maxBytes, {
    default: defaultMaxBytes,
    min: 0,
    max: mostMaxBytes,
  })
  const { keys } = options
  const find: OpeningKeyLookup = typeof keys === 'function' ? keys : (keyId) => keys.find(keyId)

  async function openC3ProEnvelope(envelope: unknown, context: OpenContext): Promise<OpenedC3Pro> {
    const { keyId, version, sealed } = parseEnvelope(envelope, maxBytes)
    // Such an envelope cannot say what it was sealed for: whoever asks for that must not get any.
    requireMeant({}, context)
    const key = (await lookUp(find, keyId, context)) ?? unknownKey()
    throwIfAborted(context.signal)
    const plaintext = key.kind === 'RSA' ? await openC3Pro(key.privateKeys['RSA-OAEP'], sealed) : undefined
    return { suite: 'c3-pro', plaintext: plaintext ?? openFailed(), keyId, version }
  }

  async function openJweEnvelope(envelope: object | string, context: OpenContext): Promise<OpenedJwe> {
    const { parts, claims } = parseJwe(envelope, maxBytes)
    for (const { keyId, kind, flat } of parts) {
      const key = await lookUp(find, keyId, context)
      throwIfAborted(context.signal)
      if (key === undefined) continue
      const privateKey = kind === key.kind ? privateKeyOf(key) : undefined
      const plaintext = privateKey && (await openJwe(flat, jweAlgorithms[kind], privateKey))
      const opened: OpenedJwe = { suite: 'jwe', plaintext: plaintext ?? openFailed(), keyId, ...claims }
      requireMeant(claims, context)
      return opened
    }
    return unknownKey()
  }

  async function openDetailed(envelope: unknown, context: OpenContext = {}): Promise<Opened> {
    throwIfAborted(context.signal)
    const opened = isJwe(envelope)
      ? await openJweEnvelope(envelope, context)
      : await openC3ProEnvelope(envelope, context)
    throwIfAborted(context.signal)
    return opened
  }

  return {
    openDetailed,
    async open(envelope, context) {
      return (await openDetailed(envelope, context)).plaintext
    },
  }
}

function privateKeyOf(key: OpeningKey): CryptoKey {
  return key.kind === 'RSA' ? key.privateKeys[jweAlgorithms.RSA] : key.privateKeys[jweAlgorithms.EC]
}

/** Of a JWE checked after opening, so that only what was sealed counts. */
function requireMeant(claims: JweClaims, context: OpenContext): void {
  const { key, destination } = context
  if (key !== undefined && claims.key !== key) throw wrongEntry('entry')
  if (destination !== undefined && claims.destination !== destination) throw wrongEntry('destination')
}

async function lookUp(
  find: OpeningKeyLookup,
  keyId: string,
  context: OpenContext,
): Promise<OpeningKey | undefined> {
  try {
    // Key stores often say null.
    return (await find(keyId, context)) ?? undefined
  } catch (cause) {
    throwIfAborted(context.signal)
    throw new EnvelopeError('ERR_KEY_LOOKUP_FAILED', 'The private key could not be looked up.', {
      hint: 'The envelope may be fine: try again when the key store answers.',
      cause,
    })
  }
}

function unknownKey(): never {
  throw new EnvelopeError('ERR_UNKNOWN_KEY', 'There is no private key for the key id of this envelope.', {
    hint: 'Add the private key it was sealed for, or ask the sender to seal for a key you hold.',
  })
}

/** One error for every failed decryption: whoever can tell them apart can decrypt messages with it. */
function openFailed(): never {
  throw new EnvelopeError('ERR_OPEN_FAILED', 'The envelope could not be opened.', {
    hint: 'It is damaged or was sealed for another key; keep it aside, opening it again will not help.',
  })
}

function wrongEntry(what: string): EnvelopeError {
  return new EnvelopeError('ERR_WRONG_ENTRY', `The envelope was not sealed for this ${what}.`, {
    hint: 'Somebody has sent an envelope in the place of another one, or one that does not say what it is for; set it aside.',
  })
}
