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
import { bitsOf, parseDer, sequenceOf } from './der.js'
import { randomBytes, webCrypto } from './web-crypto.js'
import { extensionOid, keyUsageBit, sha256WithRsa } from './x509-names.js'

export interface SelfSignedFields {
  readonly spki: Uint8Array<ArrayBuffer>
  /** RSASSA-PKCS1-v1_5 with SHA-256. */
  readonly signingKey: CryptoKey
  readonly commonName: string
  /** Milliseconds since 1970; certificates know whole seconds. */
  readonly notBefore: number
  readonly notAfter: number
}

/** A self-signed X.509 v3 certificate (DER) for a key that is wrapped to: usage keyEncipherment and dataEncipherment. */
export async function writeSelfSigned(fields: SelfSignedFields): Promise<Uint8Array<ArrayBuffer>> {
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
      signatureAlgorithm(),
      name,
      new Sequence({ value: [time(fields.notBefore), time(fields.notAfter)] }),
      name,
      publicKey,
      tagged(3, new Sequence({ value: await extensions(fields.spki) })),
    ],
  })
  const signed = tbs.toBER()
  const signature = await webCrypto().subtle.sign('RSASSA-PKCS1-v1_5', fields.signingKey, signed)
  const certificate = new Sequence({
    value: [tbs, signatureAlgorithm(), new BitString({ valueHex: signature })],
  })
  return new Uint8Array(certificate.toBER())
}

async function extensions(spki: Uint8Array<ArrayBuffer>): Promise<BaseBlock[]> {
  const keyBits = bitsOf(sequenceOf(parseDer(spki))?.[1]) ?? spki
  // The identifier is not a security property; 160 bits of SHA-256 as RFC 7093, section 2, method 1 has them.
  const keyIdentifier = (await webCrypto().subtle.digest('SHA-256', keyBits)).slice(0, 20)
  const usage = Uint8Array.of(keyUsageBit.keyEncipherment | keyUsageBit.dataEncipherment)
  return [
    extension(extensionOid.basicConstraints, true, new Sequence({ value: [] })), // not a CA
    extension(extensionOid.keyUsage, true, new BitString({ valueHex: usage.buffer, unusedBits: 4 })),
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

function signatureAlgorithm(): Sequence {
  return new Sequence({ value: [new ObjectIdentifier({ value: sha256WithRsa }), new Null()] })
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
