import { Boolean as Asn1Boolean, GeneralizedTime, UTCTime } from 'asn1js'
import { sameBytes } from './bytes.js'
import {
  algorithmOf,
  bitsOf,
  encodedOf,
  isTagged,
  octetsOf,
  oidOf,
  parseDer,
  sequenceOf,
  taggedOf,
} from './der.js'
import type { Der } from './der.js'
import { extensionOid } from './x509-names.js'

/** What an X.509 certificate says that matters for encrypting to it. */
export interface CertificateFields {
  readonly spki: Uint8Array<ArrayBuffer>
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  /** First byte of the key usage extension; undefined when the certificate does not limit the usage. */
  readonly keyUsage: number | undefined
  readonly criticalExtensions: readonly string[]
  /** Issuer and subject, and both key identifiers where given, are the same: it should be signed by its own key. */
  readonly selfSigned: boolean
  readonly signatureAlgorithm: string
  readonly signature: Uint8Array<ArrayBuffer>
  /** The bytes under the signature. */
  readonly signed: Uint8Array<ArrayBuffer>
}

interface Extension {
  readonly oid: string
  readonly critical: boolean
  readonly value: Uint8Array<ArrayBuffer>
}

/** Reads a DER certificate (RFC 5280, section 4.1). Undefined when it is not one. */
export function readCertificate(der: Uint8Array<ArrayBuffer>): CertificateFields | undefined {
  const certificate = sequenceOf(parseDer(der))
  if (certificate?.length !== 3) return undefined
  const [tbs, outerAlgorithm, signatureBits] = certificate
  const members = sequenceOf(tbs)
  if (tbs === undefined || members === undefined) return undefined

  const versioned = isTagged(members[0], 0) ? 1 : 0
  const [, innerAlgorithm, issuer, validity, subject, spki] = members.slice(versioned)
  const [notBefore, notAfter] = (sequenceOf(validity) ?? []).map(timeOf)
  const signatureAlgorithm = algorithmOf(outerAlgorithm)
  const signature = bitsOf(signatureBits)
  const extensions = readExtensions(members.find((member) => isTagged(member, 3)))
  if (
    notBefore === undefined ||
    notAfter === undefined ||
    signatureAlgorithm === undefined ||
    signatureAlgorithm !== algorithmOf(innerAlgorithm) ||
    signature === undefined ||
    extensions === undefined ||
    sequenceOf(issuer) === undefined ||
    sequenceOf(subject) === undefined ||
    sequenceOf(spki) === undefined ||
    issuer === undefined ||
    subject === undefined ||
    spki === undefined
  ) {
    return undefined
  }
  const usage = extensions.find(({ oid }) => oid === extensionOid.keyUsage)
  const keyUsage = usage && bitsOf(parseDer(usage.value))
  if (usage !== undefined && keyUsage === undefined) return undefined
  return {
    spki: encodedOf(spki),
    notBefore,
    notAfter,
    keyUsage: keyUsage && (keyUsage[0] ?? 0),
    criticalExtensions: extensions.filter(({ critical }) => critical).map(({ oid }) => oid),
    selfSigned: sameBytes(encodedOf(issuer), encodedOf(subject)) && keyIdentifiersAgree(extensions),
    signatureAlgorithm,
    signature,
    signed: encodedOf(tbs),
  }
}

function readExtensions(tagged: Der | undefined): readonly Extension[] | undefined {
  if (tagged === undefined) return []
  const list = sequenceOf(taggedOf(tagged, 3)?.[0])
  if (list === undefined) return undefined
  const extensions: Extension[] = []
  for (const item of list) {
    const members = sequenceOf(item) ?? []
    const [first, second] = members
    const critical = second instanceof Asn1Boolean && second.getValue()
    const oid = oidOf(first)
    const value = octetsOf(members.at(-1))
    if (oid === undefined || value === undefined || members.length > 3) return undefined
    // RFC 5280, section 4.2: no extension twice. Which of two key usages counts must not be a guess.
    if (extensions.some((extension) => extension.oid === oid)) return undefined
    extensions.push({ oid, critical, value })
  }
  return extensions
}

function keyIdentifiersAgree(extensions: readonly Extension[]): boolean {
  const subject = extensions.find(({ oid }) => oid === extensionOid.subjectKeyIdentifier)
  const authority = extensions.find(({ oid }) => oid === extensionOid.authorityKeyIdentifier)
  if (subject === undefined || authority === undefined) return true
  const subjectId = octetsOf(parseDer(subject.value))
  const named = sequenceOf(parseDer(authority.value))?.find((member) => isTagged(member, 0))
  // [0] IMPLICIT OCTET STRING: tag and length take two bytes for every identifier in use.
  return named === undefined || subjectId === undefined || sameBytes(encodedOf(named).slice(2), subjectId)
}

function timeOf(value: Der): number | undefined {
  if (!(value instanceof UTCTime || value instanceof GeneralizedTime)) return undefined
  const time = value.toDate().getTime()
  return Number.isNaN(time) ? undefined : time
}
