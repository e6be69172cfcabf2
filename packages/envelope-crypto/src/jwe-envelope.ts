import { EnvelopeError } from './errors.js'
import { decodeBase64Url } from './internal/base64.js'
import { isKeyId } from './key-id.js'
import { headerOf, jweAlgorithms, jweEncryption, longestHeader, mostRecipients } from './suites/jwe.js'
import type { FlatJwe } from './suites/jwe.js'
import type { OpeningKey } from './opening-key.js'

type Header = Readonly<Record<string, unknown>>

/** What a sealer wrote into the protected header. */
export interface JweClaims {
  /** `jti`: key of the entry that was sealed. */
  readonly key?: string
  /** `aud`: where it was to be sent. */
  readonly destination?: string
  /** `cty`. */
  readonly contentType?: string
}

/** What one recipient needs to open it. */
export interface JwePart {
  readonly keyId: string
  readonly kind: OpeningKey['kind']
  readonly flat: FlatJwe
}

export interface ParsedJwe {
  readonly parts: readonly JwePart[]
  readonly claims: JweClaims
}

const longestKey = 4096

/**
 * Reads a JWE: compact text, or flattened or general JSON. Everything that is decoded must be canonical Base64url.
 * Throws ERR_INVALID_ENVELOPE or ERR_TOO_LARGE; decrypts nothing.
 */
export function parseJwe(envelope: object | string, maxBytes: number): ParsedJwe {
  const members = typeof envelope === 'string' ? fromCompact(envelope) : { ...envelope }
  const { unprotected, aad } = members as Header
  if (unprotected !== undefined || aad !== undefined) {
    throw invalid('The envelope has members (unprotected, aad) that are not used here.')
  }
  const protectedText = textMember(members, 'protected', longestHeader)
  const protectedHeader = headerOf(protectedText)
  const content = {
    protected: protectedText,
    iv: textMember(members, 'iv', 64),
    ciphertext: textMember(members, 'ciphertext', Math.ceil((maxBytes * 4) / 3), true),
    tag: textMember(members, 'tag', 64),
  }
  return {
    parts: recipientsOf(members).map((recipient) => partOf(recipient, protectedHeader, content)),
    claims: claimsOf(protectedHeader),
  }
}

/** Whether something looks like a JWE rather than a C3-PRO envelope. */
export function isJwe(envelope: unknown): envelope is object | string {
  if (typeof envelope === 'string') return true
  return typeof envelope === 'object' && envelope !== null && Object.hasOwn(envelope, 'ciphertext')
}

function recipientsOf(members: Header): readonly Header[] {
  const { recipients } = members
  if (recipients === undefined) return [members]
  if (!Array.isArray(recipients) || recipients.length === 0 || members['encrypted_key'] !== undefined) {
    throw invalid('The recipients of the envelope are malformed.')
  }
  if (recipients.length > mostRecipients) {
    throw new EnvelopeError('ERR_TOO_LARGE', `The envelope has more than ${mostRecipients} recipients.`, {
      hint: 'Seal for the keys of a rotation, not for a crowd.',
    })
  }
  return recipients.map((recipient: unknown) => {
    if (isRecord(recipient)) return recipient
    throw invalid('The recipients of the envelope are malformed.')
  })
}

function partOf(
  recipient: Header,
  protectedHeader: Header,
  content: Omit<FlatJwe, 'encrypted_key'>,
): JwePart {
  const { header = {} } = recipient
  if (!isRecord(header)) throw invalid('The header of the envelope is not an object.')
  const twice = Object.keys(header).find((name) => Object.hasOwn(protectedHeader, name))
  if (twice !== undefined) throw invalid('A header parameter of the envelope stands in two places.')
  const { alg, enc, kid, crit, zip } = { ...header, ...protectedHeader }
  // What must be understood is not; and what unpacks to many times its size gets round every limit.
  if (crit !== undefined || zip !== undefined)
    throw invalid('The envelope needs an extension (crit) or a compression (zip) that is not known here.')
  if (enc !== jweEncryption)
    throw invalid(`The content encryption (enc) of the envelope is not ${jweEncryption}.`)
  if (alg !== jweAlgorithms.RSA && alg !== jweAlgorithms.EC) {
    throw invalid(
      `The key management (alg) of the envelope is neither ${jweAlgorithms.RSA} nor ${jweAlgorithms.EC}.`,
    )
  }
  if (typeof kid !== 'string' || !isKeyId(kid))
    throw invalid('The envelope names no key (kid), or not a usable one.')
  return {
    keyId: kid,
    kind: alg === jweAlgorithms.RSA ? 'RSA' : 'EC',
    flat: {
      ...content,
      encrypted_key: textMember(recipient, 'encrypted_key', longestKey),
      ...(Object.keys(header).length === 0 ? {} : { header }),
    },
  }
}

function claimsOf(header: Header): JweClaims {
  const { jti, aud, cty } = header
  return {
    ...(typeof jti === 'string' ? { key: jti } : {}),
    ...(typeof aud === 'string' ? { destination: aud } : {}),
    ...(typeof cty === 'string' ? { contentType: cty } : {}),
  }
}

function fromCompact(text: string): Header {
  const parts = text.split('.', 6)
  if (parts.length !== 5) throw invalid('The text is not a JWE in compact form.')
  const [header, key, iv, ciphertext, tag] = parts
  return { protected: header, encrypted_key: key, iv, ciphertext, tag }
}

function textMember(members: Header, name: string, longest: number, mayBeEmpty = false): string {
  const value = Object.hasOwn(members, name) ? members[name] : undefined
  if (typeof value !== 'string') throw invalid(`The envelope has no text member ${name}.`)
  if (value.length > longest) {
    throw new EnvelopeError(
      'ERR_TOO_LARGE',
      `The member ${name} of the envelope is longer than this opener accepts.`,
      {
        hint: 'Raise maxBytes of createOpener if messages of this size are expected.',
      },
    )
  }
  if (mayBeEmpty && value === '') return value
  if (decodeBase64Url(value) === undefined) {
    throw invalid(`The member ${name} of the envelope is not Base64url in its one right form.`)
  }
  return value
}

function isRecord(value: unknown): value is Header {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): EnvelopeError {
  return new EnvelopeError('ERR_INVALID_ENVELOPE', message, {
    hint: 'Pass a C3-PRO envelope (parsed JSON), or a JWE with RSA-OAEP-256 or ECDH-ES+A256KW and A256GCM.',
  })
}
