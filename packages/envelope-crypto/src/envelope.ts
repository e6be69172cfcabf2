import { EnvelopeError } from './errors.js'
import { decodeBase64 } from './internal/base64.js'
import { isKeyId } from './key-id.js'
import type { C3ProSealed } from './suites/c3-pro.js'

/** An encrypted resource on the wire, as C3-PRO defines it: one JSON object with four string members. */
export interface Envelope {
  /** Names the receiver's private key. Never empty. */
  readonly key_id: string
  /** Base64 of the wrapped AES key. */
  readonly symmetric_key: string
  /** Base64 of the encrypted plaintext. */
  readonly message: string
  /** FHIR version of the plaintext; receivers use it as a segment of a URL path. */
  readonly version: string
}

/** The version written when none is chosen, and assumed when an envelope brings none. */
export const defaultVersion = '1.0.2'

/** How large a plaintext may be unless an option says otherwise: 16 MiB. */
export const defaultMaxBytes: number = 16 * 1024 * 1024

/** The most that `maxBytes` can be set to: 256 MiB. Larger messages do not fit into the strings of all platforms. */
export const mostMaxBytes: number = 256 * 1024 * 1024

const allowedVersion = /^[A-Za-z0-9][A-Za-z0-9._ -]{0,39}$/

// A 16,384 bit RSA key makes 2,732 characters; the rest is room for line breaks.
const longestWrappedKey = 4096

/** Whether a text may stand as `version`: at most 40 characters, none of them with a meaning in a path. */
export function isVersion(text: string): boolean {
  return allowedVersion.test(text) && !text.includes('..')
}

export interface ParsedEnvelope {
  readonly keyId: string
  readonly version: string
  readonly sealed: C3ProSealed
}

/**
 * Reads an envelope the way C3-PRO receivers do: white space around the key id and inside the Base64, unknown members
 * and a missing version are fine. Throws ERR_INVALID_ENVELOPE or ERR_TOO_LARGE; decrypts nothing.
 */
export function parseEnvelope(envelope: unknown, maxBytes: number): ParsedEnvelope {
  if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope)) {
    throw invalidEnvelope('The envelope is not an object.')
  }
  const keyId = stringMember(envelope, 'key_id').trim()
  if (keyId === '') throw invalidEnvelope('The key_id of the envelope is empty.')
  if (!isKeyId(keyId))
    throw invalidEnvelope('The key_id of the envelope has characters that are not allowed.')

  const version = Object.hasOwn(envelope, 'version')
    ? stringMember(envelope, 'version').trim()
    : defaultVersion
  if (!isVersion(version))
    throw invalidEnvelope('The version of the envelope has a form that is not allowed.')

  const wrappedKey = base64Member(envelope, 'symmetric_key', longestWrappedKey, invalidEnvelope)
  const longestMessage = sealedLength(maxBytes)
  // One eighth more than the Base64 needs: every 76 columns a line break takes up to 2 in 78.
  const message = base64Member(envelope, 'message', Math.ceil(longestMessage * 1.5) + 64, tooLargeToOpen)
  if (message.length > longestMessage) throw tooLargeToOpen()
  return { keyId, version, sealed: { wrappedKey, message } }
}

/** Bytes of ciphertext that a plaintext makes: padding fills, or adds, one block. */
function sealedLength(plaintextBytes: number): number {
  return (Math.floor(plaintextBytes / 16) + 1) * 16
}

function stringMember(envelope: object, name: keyof Envelope): string {
  const value: unknown = Object.hasOwn(envelope, name) ? Reflect.get(envelope, name) : undefined
  if (typeof value !== 'string') throw invalidEnvelope(`The envelope has no text member ${name}.`)
  return value
}

function base64Member(
  envelope: object,
  name: keyof Envelope,
  longest: number,
  tooLong: (message: string) => EnvelopeError,
): Uint8Array<ArrayBuffer> {
  const text = stringMember(envelope, name)
  if (text.length > longest) throw tooLong(`The member ${name} of the envelope is too long.`)
  const bytes = decodeBase64(text)
  if (bytes === undefined) throw invalidEnvelope(`The member ${name} of the envelope is not Base64.`)
  if (bytes.length === 0) throw invalidEnvelope(`The member ${name} of the envelope is empty.`)
  return bytes
}

function invalidEnvelope(message: string): EnvelopeError {
  return new EnvelopeError('ERR_INVALID_ENVELOPE', message, {
    hint: 'Pass the parsed JSON of a C3-PRO envelope: key_id, symmetric_key, message and version, all strings.',
  })
}

function tooLargeToOpen(): EnvelopeError {
  return new EnvelopeError('ERR_TOO_LARGE', 'The envelope is larger than this opener accepts.', {
    hint: 'Raise maxBytes of createOpener if messages of this size are expected.',
  })
}
