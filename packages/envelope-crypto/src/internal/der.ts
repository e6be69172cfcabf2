import { BitString, Constructed, Integer, ObjectIdentifier, OctetString, Sequence, fromBER } from 'asn1js'
import type { BaseBlock } from 'asn1js'

// Reading DER with asn1js: the parser bounds depth and number of nodes; here every step says undefined instead of
// throwing when the structure is another one.

/** One ASN.1 value. */
export type Der = BaseBlock

const mostNodes = 2000
const deepest = 32

/** The value that fills the bytes exactly, or undefined. */
export function parseDer(bytes: Uint8Array<ArrayBuffer>): Der | undefined {
  try {
    const { offset, result } = fromBER(bytes, {
      maxDepth: deepest,
      maxNodes: mostNodes,
      maxContentLength: bytes.length,
      parseEmbedded: false,
    })
    return offset === bytes.length ? result : undefined
  } catch {
    return undefined
  }
}

/** The members of a SEQUENCE. */
export function sequenceOf(value: Der | undefined): readonly Der[] | undefined {
  return value instanceof Sequence ? value.valueBlock.value : undefined
}

/** The members of a constructed value with a context-specific tag, such as [0]. */
export function taggedOf(value: Der | undefined, tag: number): readonly Der[] | undefined {
  return value instanceof Constructed && isTagged(value, tag) ? value.valueBlock.value : undefined
}

export function isTagged(value: Der | undefined, tag: number): boolean {
  return value?.idBlock.tagClass === 3 && value.idBlock.tagNumber === tag
}

/** The dotted text of an OBJECT IDENTIFIER. */
export function oidOf(value: Der | undefined): string | undefined {
  return value instanceof ObjectIdentifier ? value.getValue() : undefined
}

/** The algorithm named by an AlgorithmIdentifier. */
export function algorithmOf(value: Der | undefined): string | undefined {
  return oidOf(sequenceOf(value)?.[0])
}

export function octetsOf(value: Der | undefined): Uint8Array<ArrayBuffer> | undefined {
  return value instanceof OctetString && !value.idBlock.isConstructed
    ? new Uint8Array(value.valueBlock.valueHexView)
    : undefined
}

export function bitsOf(value: Der | undefined): Uint8Array<ArrayBuffer> | undefined {
  return value instanceof BitString && !value.idBlock.isConstructed
    ? new Uint8Array(value.valueBlock.valueHexView)
    : undefined
}

/** The big-endian bytes of a non-negative INTEGER, without leading zeros. */
export function unsignedOf(value: Der | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (!(value instanceof Integer)) return undefined
  const bytes = new Uint8Array(value.valueBlock.valueHexView)
  const first = bytes[0]
  return first === undefined || first > 127 ? undefined : withoutLeadingZeros(bytes)
}

/** A non-negative INTEGER from big-endian bytes. */
export function unsigned(bytes: Uint8Array): Integer {
  const number = withoutLeadingZeros(new Uint8Array(bytes))
  const first = number[0]
  // A leading zero keeps the number positive when its top bit is set.
  const padded = first === undefined || first > 127 ? Uint8Array.of(0, ...number) : number
  return new Integer({ valueHex: padded.buffer })
}

export function withoutLeadingZeros(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const start = bytes.findIndex((byte) => byte !== 0)
  return start === -1 ? new Uint8Array(0) : bytes.slice(start)
}

/** The encoded bytes of a parsed value, tag and length included. */
export function encodedOf(value: Der): Uint8Array<ArrayBuffer> {
  return new Uint8Array(value.valueBeforeDecodeView)
}

export type DerShape =
  'certificate' | 'spki' | 'pkcs8' | 'encrypted-pkcs8' | 'other-private-key' | 'pkcs1-public' | 'unknown'

/** What kind of file this looks like, told from the outermost structure only. */
export function derShape(bytes: Uint8Array<ArrayBuffer>): DerShape {
  const members = sequenceOf(parseDer(bytes))
  const [first, second, third] = members ?? []
  if (first instanceof Sequence && second instanceof Sequence && third instanceof BitString)
    return 'certificate'
  if (first instanceof Sequence && second instanceof BitString) return 'spki'
  if (first instanceof Sequence && second instanceof OctetString) return 'encrypted-pkcs8'
  if (!(first instanceof Integer)) return 'unknown'
  if (second instanceof Sequence && third instanceof OctetString) return 'pkcs8'
  if (members?.length === 2 && second instanceof Integer) return 'pkcs1-public'
  // PKCS#1 and SEC 1 private keys, PKCS#12 containers.
  if (second instanceof Integer || second instanceof OctetString || second instanceof Sequence)
    return 'other-private-key'
  return 'unknown'
}
