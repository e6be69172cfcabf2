import { Integer, Null, ObjectIdentifier, OctetString, Sequence } from 'asn1js'
import { EnvelopeError } from '../errors.js'
import { aesCbcDecrypt, aesCbcEncrypt } from './aes-cbc.js'
import { algorithmOf, octetsOf, oidOf, parseDer, sequenceOf, unsignedOf } from './der.js'
import type { Der } from './der.js'
import { derivePbkdf2 } from './pbkdf2.js'
import type { Pbkdf2Hash } from './pbkdf2.js'
import { randomBytes } from './web-crypto.js'

// EncryptedPrivateKeyInfo (RFC 5958, section 3) with PBES2 (RFC 8018, section 6.2).

const pbes2 = '1.2.840.113549.1.5.13'
const pbkdf2 = '1.2.840.113549.1.5.12'
const hmacSha256 = '1.2.840.113549.2.9'
const aes256Cbc = '2.16.840.1.101.3.4.1.42'

const hashes: Readonly<Record<string, Pbkdf2Hash>> = {
  '1.2.840.113549.2.7': 'SHA-1',
  [hmacSha256]: 'SHA-256',
  '1.2.840.113549.2.10': 'SHA-384',
  '1.2.840.113549.2.11': 'SHA-512',
}
const keyLengths: Readonly<Record<string, number>> = {
  '2.16.840.1.101.3.4.1.2': 16,
  '2.16.840.1.101.3.4.1.22': 24,
  [aes256Cbc]: 32,
}

const iterations = 600_000
// A file must not be able to keep its reader busy for ever.
const mostIterations = 20_000_000

/** With AES-256-CBC under PBKDF2 (HMAC-SHA-256, 600,000 rounds): what OpenSSL and the JDK read. */
export async function encryptPkcs8(
  pkcs8: Uint8Array<ArrayBuffer>,
  passphrase: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const salt = randomBytes(16)
  const iv = randomBytes(16)
  const key = await derivePbkdf2(passphrase, { salt, iterations, hash: 'SHA-256', length: 32 })
  const derivation = sequence(
    oid(pbkdf2),
    sequence(octets(salt), new Integer({ value: iterations }), sequence(oid(hmacSha256), new Null())),
  )
  const algorithm = sequence(oid(pbes2), sequence(derivation, sequence(oid(aes256Cbc), octets(iv))))
  return new Uint8Array(sequence(algorithm, octets(await aesCbcEncrypt(key, iv, pkcs8))).toBER())
}

/** Throws what `refuse` makes for a form that is not known here, and ERR_WRONG_PASSPHRASE. */
export async function decryptPkcs8(
  der: Uint8Array<ArrayBuffer>,
  passphrase: string,
  refuse: (message: string) => EnvelopeError,
): Promise<Uint8Array<ArrayBuffer>> {
  const [algorithm, encrypted] = sequenceOf(parseDer(der)) ?? []
  const [derivation, scheme] = sequenceOf(sequenceOf(algorithm)?.[1]) ?? []
  const parameters = readPbkdf2(derivation)
  const length = keyLengths[algorithmOf(scheme) ?? '']
  const iv = octetsOf(sequenceOf(scheme)?.[1])
  const content = octetsOf(encrypted)
  if (
    algorithmOf(algorithm) !== pbes2 ||
    parameters === undefined ||
    length === undefined ||
    iv?.length !== 16 ||
    content === undefined
  ) {
    throw refuse(
      'The private key is encrypted in a way that is not known here (PBES2 with PBKDF2 and AES-CBC is).',
    )
  }
  const key = await derivePbkdf2(passphrase, { ...parameters, length })
  try {
    const plain = await aesCbcDecrypt(key, iv, content)
    // One wrong passphrase in 256 leaves padding that looks right.
    if (sequenceOf(parseDer(plain)) !== undefined) return plain
  } catch {
    // The same as garbage.
  }
  throw new EnvelopeError('ERR_WRONG_PASSPHRASE', 'The passphrase does not open the private key.', {
    hint: 'Type it again; if it is right, the file is damaged.',
  })
}

function readPbkdf2(
  derivation: Der | undefined,
):
  | { readonly salt: Uint8Array<ArrayBuffer>; readonly iterations: number; readonly hash: Pbkdf2Hash }
  | undefined {
  if (algorithmOf(derivation) !== pbkdf2) return undefined
  const [salted, rounds, ...others] = sequenceOf(sequenceOf(derivation)?.[1]) ?? []
  const salt = octetsOf(salted)
  const count = numberOf(unsignedOf(rounds))
  const functionOid = oidOf(sequenceOf(others.find((member) => sequenceOf(member) !== undefined))?.[0])
  // RFC 8018, appendix A.2: HMAC with SHA-1 when nothing is said.
  const hash = functionOid === undefined ? 'SHA-1' : hashes[functionOid]
  if (salt === undefined || count < 1 || count > mostIterations || hash === undefined) return undefined
  return { salt, iterations: count, hash }
}

/** Big-endian; 0 for none. */
function numberOf(bytes: Uint8Array | undefined): number {
  return Array.from(bytes ?? []).reduce((sum, byte) => sum * 256 + byte, 0)
}

function sequence(...value: (Sequence | ObjectIdentifier | OctetString | Integer | Null)[]): Sequence {
  return new Sequence({ value })
}

function oid(value: string): ObjectIdentifier {
  return new ObjectIdentifier({ value })
}

function octets(bytes: Uint8Array<ArrayBuffer>): OctetString {
  return new OctetString({ valueHex: bytes.buffer })
}
