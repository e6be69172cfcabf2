import { openEnvelope, parseEnvelope, type C3ProEnvelope } from './envelope.js'
import { openJwe, parseJwe, partsOf, type JweEnvelope } from './jwe.js'
import type { C3ProSuite } from './profile.js'

/** A key that would open a message, and how. */
interface Lock {
  readonly keyId: string
  /** `undefined` for every kind of failure alike. `destination` is where the message has arrived. */
  open(privateJwk: JsonWebKey, destination: string): Promise<Uint8Array | undefined>
}

/** An envelope of either suite that is well formed. */
export interface Message {
  readonly suite: C3ProSuite
  /** FHIR version; only in the suite `c3-pro`. */
  readonly version?: string
  readonly envelope: C3ProEnvelope | JweEnvelope
  /** Never empty; a JWE may be for several recipients. */
  readonly locks: readonly [Lock, ...Lock[]]
}

/** The message of one of these suites that a body is, or what is wrong with it. */
export function readMessage(body: unknown, suites: readonly C3ProSuite[]): Message | string {
  const jwe = suites.includes('jwe') ? parseJwe(body) : undefined
  if (jwe !== undefined) {
    const [first, ...others] = partsOf(jwe).map((part) => ({
      keyId: part.keyId,
      open: (privateJwk: JsonWebKey, destination: string) => openJwe(part, privateJwk, destination),
    }))
    if (first === undefined) return 'the JWE names no key (kid)'
    return { suite: 'jwe', envelope: jwe, locks: [first, ...others] }
  }
  if (!suites.includes('c3-pro')) return 'a JWE in its flattened or general JSON serialisation is needed'
  const envelope = parseEnvelope(body)
  if (envelope === undefined) return 'key_id, symmetric_key, message and version are needed as strings'
  const keyId = envelope.key_id.trim()
  if (keyId === '') return 'key_id is empty'
  const open = (privateJwk: JsonWebKey): Promise<Uint8Array | undefined> => openEnvelope(envelope, privateJwk)
  return { suite: 'c3-pro', version: envelope.version, envelope, locks: [{ keyId, open }] }
}
