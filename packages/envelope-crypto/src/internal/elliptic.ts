import { BitString, ObjectIdentifier, Sequence } from 'asn1js'
import { bitsOf, octetsOf, oidOf, parseDer, sequenceOf, taggedOf } from './der.js'
import type { Der } from './der.js'

/** Curves of NIST that WebCrypto has everywhere. */
export type Curve = 'P-256' | 'P-384' | 'P-521'

export const ecPublicKey = '1.2.840.10045.2.1'

const curves: Readonly<Record<Curve, { readonly oid: string; readonly bits: number }>> = {
  'P-256': { oid: '1.2.840.10045.3.1.7', bits: 256 },
  'P-384': { oid: '1.3.132.0.34', bits: 384 },
  'P-521': { oid: '1.3.132.0.35', bits: 521 },
}

/** A point on a curve, uncompressed (4, x, y). Whether it lies on the curve is for the platform to check. */
export interface EcPoint {
  readonly curve: Curve
  readonly point: Uint8Array<ArrayBuffer>
}

export function isCurve(name: unknown): name is Curve {
  return typeof name === 'string' && Object.hasOwn(curves, name)
}

export function curveBits(curve: Curve): number {
  return curves[curve].bits
}

/** Undefined when damaged, compressed, or on another curve. */
export function pointFromSpki(spki: Uint8Array<ArrayBuffer>): EcPoint | undefined {
  const [algorithm, bits] = sequenceOf(parseDer(spki)) ?? []
  return pointOn(curveOf(algorithm), bitsOf(bits))
}

/** The public half that a PKCS#8 key carries (RFC 5915); undefined when damaged or left out. */
export function pointFromPkcs8(pkcs8: Uint8Array<ArrayBuffer>): EcPoint | undefined {
  const [, algorithm, octets] = sequenceOf(parseDer(pkcs8)) ?? []
  const key = octetsOf(octets)
  const tagged = sequenceOf(key && parseDer(key))?.find((member) => taggedOf(member, 1) !== undefined)
  return pointOn(curveOf(algorithm), bitsOf(taggedOf(tagged, 1)?.[0]))
}

export function pointFromNumbers(curve: Curve, x: Uint8Array, y: Uint8Array): EcPoint | undefined {
  const length = Math.ceil(curveBits(curve) / 8)
  return x.length === length && y.length === length
    ? { curve, point: Uint8Array.of(4, ...x, ...y) }
    : undefined
}

export function encodeEcSpki({ curve, point }: EcPoint): Uint8Array<ArrayBuffer> {
  const algorithm = new Sequence({
    value: [new ObjectIdentifier({ value: ecPublicKey }), new ObjectIdentifier({ value: curves[curve].oid })],
  })
  return new Uint8Array(
    new Sequence({ value: [algorithm, new BitString({ valueHex: point.buffer })] }).toBER(),
  )
}

function pointOn(curve: Curve | undefined, point: Uint8Array<ArrayBuffer> | undefined): EcPoint | undefined {
  if (curve === undefined || point?.[0] !== 4) return undefined
  return point.length === 1 + 2 * Math.ceil(curveBits(curve) / 8) ? { curve, point } : undefined
}

function curveOf(algorithm: Der | undefined): Curve | undefined {
  const oid = oidOf(sequenceOf(algorithm)?.[1])
  return Object.keys(curves)
    .filter(isCurve)
    .find((name) => curves[name].oid === oid)
}
