import {
  BitString,
  Boolean as Asn1Boolean,
  Constructed,
  GeneralizedTime,
  Integer,
  Null,
  ObjectIdentifier,
  OctetString,
  Sequence,
  Set as Asn1Set,
  UTCTime,
  Utf8String,
} from 'asn1js'
import type { BaseBlock } from 'asn1js'
import { bitsOf, parseDer, sequenceOf, unsigned } from './der.js'
import { randomBytes, webCrypto } from './web-crypto.js'
import { ecdsaWithSha256, extensionOid, keyUsageBit, sha256WithRsa } from './x509-names.js'

export interface SelfSignedFields {
  readonly spki: Uint8Array<ArrayBuffer>
  /** For RSASSA-PKCS1-v1_5 with SHA-256, or for ECDSA. */
  readonly signingKey: CryptoKey
  readonly commonName: string
  /** Milliseconds since 1970; certificates know whole seconds. */
  readonly notBefore: number
  readonly notAfter: number
}

/** A self-signed X.509 v3 certificate (DER) for a key that is encrypted to: its key usage says that and nothing else. */
export async function writeSelfSigned(fields: SelfSignedFields): Promise<Uint8Array<ArrayBuffer>> {
  const elliptic = fields.signingKey.algorithm.name === 'ECDSA'
  const name = new Sequence({
    value: [
      new Asn1Set({
        value: [
          new Sequence({
            value: [new ObjectIdentifier({ value: '2.5.4.3' }), new Utf8String({ value: fields.commonName })],
          }),
        ],
      }),
    ],
  })
  const publicKey = parseDer(fields.spki)
  if (publicKey === undefined) throw new TypeError('The public key is not DER.')
  const tbs = new Sequence({
    value: [
      tagged(0, new Integer({ value: 2 })), // v3
      new Integer({ valueHex: serialNumber().buffer }),
      signatureAlgorithm(elliptic),
      name,
      new Sequence({ value: [time(fields.notBefore), time(fields.notAfter)] }),
      name,
      publicKey,
      tagged(3, new Sequence({ value: await extensions(fields.spki, elliptic) })),
    ],
  })
  const signed = tbs.toBER()
  const signature = elliptic
    ? await ecdsaSignature(fields.signingKey, signed)
    : await webCrypto().subtle.sign('RSASSA-PKCS1-v1_5', fields.signingKey, signed)
  const certificate = new Sequence({
    value: [tbs, signatureAlgorithm(elliptic), new BitString({ valueHex: signature })],
  })
  return new Uint8Array(certificate.toBER())
}

/** r and s as a SEQUENCE of INTEGERs (RFC 3279, section 2.2.3); WebCrypto gives them side by side. */
async function ecdsaSignature(key: CryptoKey, signed: ArrayBuffer): Promise<ArrayBuffer> {
  const raw = new Uint8Array(await webCrypto().subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, signed))
  const half = raw.length / 2
  return new Sequence({ value: [unsigned(raw.subarray(0, half)), unsigned(raw.subarray(half))] }).toBER()
}

async function extensions(spki: Uint8Array<ArrayBuffer>, elliptic: boolean): Promise<BaseBlock[]> {
  const keyBits = bitsOf(sequenceOf(parseDer(spki))?.[1]) ?? spki
  // The identifier is not a security property; 160 bits of SHA-256 as RFC 7093, section 2, method 1 has them.
  const keyIdentifier = (await webCrypto().subtle.digest('SHA-256', keyBits)).slice(0, 20)
  const usage = elliptic
    ? { bits: keyUsageBit.keyAgreement, unused: 3 }
    : { bits: keyUsageBit.keyEncipherment | keyUsageBit.dataEncipherment, unused: 4 }
  return [
    extension(extensionOid.basicConstraints, true, new Sequence({ value: [] })), // not a CA
    extension(
      extensionOid.keyUsage,
      true,
      new BitString({ valueHex: Uint8Array.of(usage.bits).buffer, unusedBits: usage.unused }),
    ),
    extension(extensionOid.subjectKeyIdentifier, false, new OctetString({ valueHex: keyIdentifier })),
  ]
}

function extension(oid: string, critical: boolean, value: BaseBlock): Sequence {
  return new Sequence({
    value: [
      new ObjectIdentifier({ value: oid }),
      ...(critical ? [new Asn1Boolean({ value: true })] : []),
      new OctetString({ valueHex: value.toBER() }),
    ],
  })
}

function tagged(tagNumber: number, value: BaseBlock): Constructed {
  return new Constructed({ idBlock: { tagClass: 3, tagNumber }, value: [value] })
}

/** RFC 5758, section 3.2: the elliptic one has no parameters, not even NULL. */
function signatureAlgorithm(elliptic: boolean): Sequence {
  const value = elliptic
    ? [new ObjectIdentifier({ value: ecdsaWithSha256 })]
    : [new ObjectIdentifier({ value: sha256WithRsa }), new Null()]
  return new Sequence({ value })
}

/** 16 random bytes that make a positive number without a leading zero. */
function serialNumber(): Uint8Array<ArrayBuffer> {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}

/** RFC 5280, section 4.1.2.5: years up to 2049 as UTCTime, later ones as GeneralizedTime. */
function time(milliseconds: number): UTCTime {
  const valueDate = new Date(Math.floor(milliseconds / 1000) * 1000)
  return valueDate.getUTCFullYear() < 2050 ? new UTCTime({ valueDate }) : new GeneralizedTime({ valueDate })
}
