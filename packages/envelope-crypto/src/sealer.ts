import { defaultMaxBytes, defaultVersion, isVersion, mostMaxBytes } from './envelope.js'
import type { Envelope } from './envelope.js'
import { EnvelopeError } from './errors.js'
import { throwIfAborted } from './internal/abort.js'
import { encodeBase64 } from './internal/base64.js'
import { isBytes } from './internal/bytes.js'
import { invalidOption, oneOf, wholeNumber } from './internal/options.js'
import { importPublicKey } from './internal/rsa.js'
import { expiredError } from './internal/validity.js'
import { requireKeyId } from './key-id.js'
import type { Recipient } from './recipient.js'
import { longestC3ProColumn, rsaOaepSha1, sealC3Pro } from './suites/c3-pro.js'
import type { C3ProKeyBits } from './suites/c3-pro.js'

export interface SealerOptions {
  /** The cipher suite. `c3-pro`: the format of C3-PRO, which protects no integrity. */
  readonly suite: 'c3-pro'
  /** Whose private key opens the envelopes; from `importRecipient`. */
  readonly recipient: Recipient
  /** FHIR version told to the receiver. Default `1.0.2`. */
  readonly version?: string
  /** Length of the AES keys. Default 256. */
  readonly keyBits?: C3ProKeyBits
  /** Largest plaintext in bytes. Default 16 MiB, at most 256 MiB. */
  readonly maxBytes?: number
  /** The clock, in milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number
}

export interface SealContext {
  /** Aborts before the next step; the rejection is named AbortError. */
  readonly signal?: AbortSignal | undefined
}

export interface Sealer {
  readonly suite: 'c3-pro'
  /** The `key_id` of every envelope this sealer makes. */
  readonly keyId: string
  readonly recipient: Recipient
  /**
   * Encrypts one plaintext under an AES key made for it alone. The bytes are copied before the first wait.
   * Rejects with ERR_TOO_LARGE, ERR_CERTIFICATE_EXPIRED (the certificate ran out since it was imported),
   * ERR_INVALID_OPTION, ERR_CRYPTO_UNAVAILABLE or ERR_SEAL_FAILED.
   */
  seal(plaintext: Uint8Array, context?: SealContext): Promise<Envelope>
}

/**
 * Makes envelopes for one recipient, in the C3-PRO envelope format.
 * Throws ERR_EMPTY_KEY_ID, ERR_INVALID_KEY_ID (C3-PRO receivers keep 40 characters) or ERR_INVALID_OPTION.
 */
export function createSealer(options: SealerOptions): Sealer {
  const suite = oneOf('suite', options.suite, ['c3-pro'], 'c3-pro')
  const keyBits = oneOf('keyBits', options.keyBits, [128, 192, 256], 256)
  const maxBytes = wholeNumber('maxBytes', options.maxBytes, {
    default: defaultMaxBytes,
    min: 0,
    max: mostMaxBytes,
  })
  const { recipient, version = defaultVersion } = options
  if (!isVersion(version)) {
    throw invalidOption('version must be 1 to 40 letters, digits, spaces, ".", "_" or "-".')
  }
  const keyId = requireKeyId(recipient.keyId)
  if (keyId.length > longestC3ProColumn) {
    throw new EnvelopeError(
      'ERR_INVALID_KEY_ID',
      'The key id is longer than the 40 characters C3-PRO receivers keep.',
      {
        hint: 'Give the recipient a shorter key id, for example a UUID.',
      },
    )
  }
  let publicKey: CryptoKey | undefined

  return {
    suite,
    keyId,
    recipient,
    async seal(plaintext, context = {}) {
      if (!isBytes(plaintext)) throw invalidOption('The plaintext must be a Uint8Array.')
      if (plaintext.length > maxBytes) throw tooLargeToSeal(maxBytes)
      throwIfAborted(context.signal)
      if (recipient.notAfter !== undefined) {
        const now = (options.now ?? Date.now)()
        if (now > Date.parse(recipient.notAfter)) throw expiredError(recipient.notAfter)
      }
      const copy = new Uint8Array(plaintext)
      try {
        publicKey ??= await importPublicKey(recipient.spki, rsaOaepSha1)
        const sealed = await sealC3Pro(publicKey, keyBits, copy)
        throwIfAborted(context.signal)
        return {
          key_id: keyId,
          symmetric_key: encodeBase64(sealed.wrappedKey),
          message: encodeBase64(sealed.message),
          version,
        }
      } catch (cause) {
        throwIfAborted(context.signal)
        throw cause instanceof EnvelopeError ? cause : sealFailed(cause)
      } finally {
        copy.fill(0)
      }
    },
  }
}

function sealFailed(cause: unknown): EnvelopeError {
  return new EnvelopeError('ERR_SEAL_FAILED', 'The platform could not encrypt the message.', {
    hint: 'Check that this platform allows RSA-OAEP with SHA-1 and AES-CBC; some hardened builds do not.',
    cause,
  })
}

function tooLargeToSeal(maxBytes: number): EnvelopeError {
  return new EnvelopeError('ERR_TOO_LARGE', `The plaintext is larger than ${maxBytes} bytes.`, {
    hint: 'Send large content outside the resource, or raise maxBytes if the receiver accepts it.',
  })
}
