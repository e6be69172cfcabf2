import { defaultMaxBytes, defaultVersion, isVersion, mostMaxBytes } from './envelope.js'
import type { Envelope } from './envelope.js'
import { EnvelopeError } from './errors.js'
import { throwIfAborted } from './internal/abort.js'
import { encodeBase64 } from './internal/base64.js'
import { isBytes } from './internal/bytes.js'
import { invalidOption, oneOf, wholeNumber } from './internal/options.js'
import { unsupportedKey } from './internal/public-key.js'
import { rsaOaepWrap } from './internal/rsa-oaep.js'
import { expiredError } from './internal/validity.js'
import { requireKeyId } from './key-id.js'
import type { KeyRing } from './key-ring.js'
import type { Recipient } from './recipient.js'
import { longestC3ProColumn, sealC3Pro } from './suites/c3-pro.js'
import type { C3ProKeyBits } from './suites/c3-pro.js'
import { jweWrap, mostRecipients, sealJwe } from './suites/jwe.js'
import type { JweEnvelope } from './suites/jwe.js'

/** Whose private key opens the envelopes: from `importRecipient`, or a key ring, which is asked for every envelope. */
export type RecipientSource = Recipient | Pick<KeyRing, 'current'>

interface CommonOptions {
  /** Largest plaintext in bytes. Default 16 MiB, at most 256 MiB. */
  readonly maxBytes?: number
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

/** The format of C3-PRO, for receivers that know no other. It protects no integrity. */
export interface C3ProSealerOptions extends CommonOptions {
  readonly suite: 'c3-pro'
  readonly recipient: RecipientSource
  /** FHIR version told to the receiver. Default `1.0.2`. */
  readonly version?: string
  /** Length of the AES keys. Default 256. */
  readonly keyBits?: C3ProKeyBits
}

/** JSON Web Encryption: RSA-OAEP-256 or ECDH-ES+A256KW, with A256GCM. The default. */
export interface JweSealerOptions extends CommonOptions {
  readonly suite?: 'jwe'
  /** Several while a rotation overlaps: each of them can open every envelope. */
  readonly recipient: RecipientSource | readonly Recipient[]
  /** What the plaintext is (`cty`). Default `application/fhir+json`. */
  readonly contentType?: string
}

export interface SealContext {
  /** Key of the entry (`jti`), so that the envelope cannot pass for another one. Suite jwe only. */
  readonly key?: string | undefined
  /** Where it is sent (`aud`), so that it cannot pass for one sent elsewhere. Suite jwe only. */
  readonly destination?: string | undefined
  /** Aborts before the next step; the rejection is named AbortError. */
  readonly signal?: AbortSignal | undefined
}

export interface Sealer<E extends object = Envelope | JweEnvelope> {
  readonly suite: 'c3-pro' | 'jwe'
  /**
   * Encrypts one plaintext under an AES key made for it alone. The bytes are copied before the first wait.
   * Rejects with ERR_TOO_LARGE, ERR_CERTIFICATE_EXPIRED (the certificate ran out since it was imported),
   * ERR_NO_VALID_RECIPIENT (of a key ring), ERR_INVALID_OPTION, ERR_CRYPTO_UNAVAILABLE or ERR_SEAL_FAILED.
   */
  seal(plaintext: Uint8Array, context?: SealContext): Promise<E>
}

const longestContentType = 255

/** How one plaintext becomes an envelope, once it is known for whom. The bytes are read before it returns. */
type Seal<E> = (plaintext: Uint8Array, context: SealContext) => Promise<E>

/**
 * Makes envelopes. Throws ERR_INVALID_OPTION, ERR_EMPTY_KEY_ID, ERR_INVALID_KEY_ID (C3-PRO receivers keep 40
 * characters) or ERR_UNSUPPORTED_KEY (C3-PRO knows RSA only). With a key ring, seal rejects with the last three instead.
 */
export function createSealer(options: C3ProSealerOptions): Sealer<Envelope>
export function createSealer(options: JweSealerOptions): Sealer<JweEnvelope>
export function createSealer(options: C3ProSealerOptions | JweSealerOptions): Sealer {
  const suite = oneOf('suite', options.suite, ['jwe', 'c3-pro'], 'jwe')
  const maxBytes = wholeNumber('maxBytes', options.maxBytes, {
    default: defaultMaxBytes,
    min: 0,
    max: mostMaxBytes,
  })
  const source = isRing(options.recipient) ? options.recipient : [...toList(options.recipient)]
  const sealFor = options.suite === 'c3-pro' ? c3ProSealing(options, source) : jweSealing(options, source)

  return {
    suite,
    async seal(plaintext, context = {}) {
      if (!isBytes(plaintext)) throw invalidOption('The plaintext must be a Uint8Array.')
      if (plaintext.length > maxBytes) throw tooLargeToSeal(maxBytes)
      throwIfAborted(context.signal)
      // Who is known already is not waited for, and then nothing need be copied.
      const copy = isRing(source) ? new Uint8Array(plaintext) : undefined
      try {
        const recipients = isRing(source) ? [await source.current()] : source
        throwIfAborted(context.signal)
        requireValid(recipients, (options.now ?? Date.now)())
        const sealed = await sealFor(recipients)(copy ?? plaintext, context)
        throwIfAborted(context.signal)
        return sealed
      } catch (cause) {
        throwIfAborted(context.signal)
        throw cause instanceof EnvelopeError ? cause : sealFailed(cause)
      } finally {
        copy?.fill(0)
      }
    },
  }
}

function requireValid(recipients: readonly Recipient[], now: number): void {
  for (const recipient of recipients) {
    const { notAfter } = recipient
    if (notAfter === undefined) continue
    if (now > endOf(recipient, notAfter)) throw expiredError(notAfter)
  }
}

/** Dates are read once. */
const ends = new WeakMap<Recipient, number>()

function endOf(recipient: Recipient, notAfter: string): number {
  const known = ends.get(recipient)
  if (known !== undefined) return known
  const end = Date.parse(notAfter)
  ends.set(recipient, end)
  return end
}

/** The options checked, and for each set of recipients what is prepared once. */
function c3ProSealing(
  options: C3ProSealerOptions,
  source: Source,
): (recipients: readonly Recipient[]) => Seal<Envelope> {
  const keyBits = oneOf('keyBits', options.keyBits, [128, 192, 256], 256)
  const { version = defaultVersion } = options
  if (!isVersion(version)) {
    throw invalidOption('version must be 1 to 40 letters, digits, spaces, ".", "_" or "-".')
  }
  return prepared(source, ([recipient]) => {
    const keyId = requireC3ProRecipient(recipient)
    const wrap = rsaOaepWrap(recipient.spki, 'SHA-1')
    return async (plaintext) => {
      const { wrappedKey, message } = await sealC3Pro(wrap, keyBits, plaintext)
      return {
        key_id: keyId,
        symmetric_key: encodeBase64(wrappedKey),
        message: encodeBase64(message),
        version,
      }
    }
  })
}

function jweSealing(
  options: JweSealerOptions,
  source: Source,
): (recipients: readonly Recipient[]) => Seal<JweEnvelope> {
  const { contentType = 'application/fhir+json' } = options
  if (typeof contentType !== 'string' || contentType === '' || contentType.length > longestContentType) {
    throw invalidOption(`contentType must have 1 to ${longestContentType} characters.`)
  }
  return prepared(source, (recipients) => {
    const keyIds = recipients.map(({ keyId }) => requireKeyId(keyId))
    if (new Set(keyIds).size < keyIds.length) throw invalidOption('Two recipients have the same key id.')
    if (keyIds.length > mostRecipients)
      throw invalidOption(`There are more than ${mostRecipients} recipients.`)
    const wraps = recipients.map(jweWrap)
    return async (plaintext, { key, destination }) => {
      if (![key, destination].every((claim) => claim === undefined || typeof claim === 'string')) {
        throw invalidOption('key and destination must be texts.')
      }
      const claims = {
        cty: contentType,
        ...(key === undefined ? {} : { jti: key }),
        ...(destination === undefined ? {} : { aud: destination }),
      }
      return await sealJwe(wraps, claims, plaintext)
    }
  })
}

/** A ring, or who was named when the sealer was made. */
type Source = Pick<KeyRing, 'current'> | readonly Recipient[]

type Recipients = readonly [Recipient, ...Recipient[]]

/** Prepares at once for recipients that are known now, and again whenever a key ring has chosen another one. */
function prepared<E>(
  source: Source,
  prepare: (recipients: Recipients) => Seal<E>,
): (recipients: readonly Recipient[]) => Seal<E> {
  let last: { readonly first: Recipient; readonly seal: Seal<E> } | undefined
  function ready(recipients: readonly Recipient[]): Seal<E> {
    const [first, ...others] = recipients
    if (first === undefined) throw invalidOption('recipient is an empty list.')
    if (last?.first !== first) last = { first, seal: prepare([first, ...others]) }
    return last.seal
  }
  if (!isRing(source)) ready(source)
  return ready
}

function isRing(source: JweSealerOptions['recipient'] | Source): source is Pick<KeyRing, 'current'> {
  return 'current' in source
}

function toList(source: Recipient | readonly Recipient[]): readonly Recipient[] {
  return 'keyId' in source ? [source] : source
}

function requireC3ProRecipient({ keyId, kind }: Recipient): string {
  requireKeyId(keyId)
  if (kind !== 'RSA') throw unsupportedKey('The suite c3-pro knows RSA keys only.')
  if (keyId.length <= longestC3ProColumn) return keyId
  throw new EnvelopeError(
    'ERR_INVALID_KEY_ID',
    'The key id is longer than the 40 characters C3-PRO receivers keep.',
    {
      hint: 'Give the recipient a shorter key id, for example a UUID.',
    },
  )
}

function sealFailed(cause: unknown): EnvelopeError {
  return new EnvelopeError('ERR_SEAL_FAILED', 'The platform could not encrypt the message.', {
    hint: 'Check that this platform allows the ciphers of the suite; some hardened builds refuse SHA-1 and AES-CBC.',
    cause,
  })
}

function tooLargeToSeal(maxBytes: number): EnvelopeError {
  return new EnvelopeError('ERR_TOO_LARGE', `The plaintext is larger than ${maxBytes} bytes.`, {
    hint: 'Send large content outside the resource, or raise maxBytes if the receiver accepts it.',
  })
}
