import { EnvelopeError } from '../errors.js'
import { aesGcmOfBytes, nonceLength, tagLength } from '../internal/aes-gcm.js'
import { decodeBase64, encodeBase64 } from '../internal/base64.js'
import { sameBytes } from '../internal/bytes.js'
import { invalidOption, wholeNumber } from '../internal/options.js'
import { derivePbkdf2 } from '../internal/pbkdf2.js'
import { randomBytes } from '../internal/web-crypto.js'
import { requireKeyId } from '../key-id.js'

const noteVersion = 1
const saltLength = 16
/** Nonce and tag around nothing. */
const checkLength: number = nonceLength + tagLength
/** OWASP's recommendation for PBKDF2 with HMAC-SHA-256. */
const defaultIterations = 600_000
const fewestIterations = 600_000
// Who can write the note could otherwise keep the reader busy for ever.
const mostIterations = 20_000_000

/** Where salt and parameters are kept: `notes` of a storage fits. */
export interface KeyNotes {
  get(name: string): Promise<{ readonly bytes: Uint8Array } | undefined>
  /** Rejects with `code` `ERR_NOTE_CONFLICT` when the note is not of the expected version; 0 means: not there yet. */
  put(name: string, bytes: Uint8Array, expectedVersion: number): Promise<unknown>
}

export interface PassphraseKeyOptions {
  /** The passphrase, or a function that asks for it; undefined means that nobody has told it yet. */
  readonly passphrase: string | (() => Promise<string | undefined>)
  /** The notes of the storage below `sealStorage`: what is written is no secret. */
  readonly notes: KeyNotes
  /** The key id that the cipher is given; it names the note. */
  readonly keyId: string
  /** Rounds of PBKDF2 for a key made now; one made before keeps its own. Default and least 600,000. */
  readonly iterations?: number
}

interface Parameters {
  readonly salt: Uint8Array<ArrayBuffer>
  readonly iterations: number
  /** Nonce and tag of an empty message under the key: tells a wrong passphrase before anything is sealed with it. */
  readonly check: Uint8Array<ArrayBuffer>
}

/**
 * A key source for `createRecordCipher`: the key is derived from a passphrase with PBKDF2 (HMAC-SHA-256, 600,000
 * rounds, salt of 16 bytes). Salt and parameters are kept as a note `fhir-outbox-passphrase-<keyId>`.
 * The cipher shows a missing or wrong passphrase as ERR_KEY_LOCKED, with ERR_WRONG_PASSPHRASE as its cause.
 * Throws ERR_INVALID_OPTION, ERR_EMPTY_KEY_ID or ERR_INVALID_KEY_ID.
 */
export function passphraseKey(options: PassphraseKeyOptions): () => Promise<Uint8Array | undefined> {
  const { passphrase, notes } = options
  if (passphrase === '') throw invalidOption('The passphrase is empty.')
  const name = `fhir-outbox-passphrase-${requireKeyId(options.keyId)}`
  const iterations = wholeNumber('iterations', options.iterations, {
    default: defaultIterations,
    min: fewestIterations,
    max: mostIterations,
  })
  return async () => {
    const told = typeof passphrase === 'string' ? passphrase : await passphrase()
    if (told === undefined || told === '') return undefined
    const found = await notes.get(name)
    return found === undefined
      ? await firstKey(notes, name, told, iterations)
      : await keyOf(told, readParameters(found.bytes))
  }
}

async function firstKey(
  notes: KeyNotes,
  name: string,
  passphrase: string,
  iterations: number,
): Promise<Uint8Array> {
  const salt = randomBytes(saltLength)
  const key = await derive(passphrase, salt, iterations)
  const nonce = randomBytes(nonceLength)
  const nothing = new Uint8Array(0)
  const check = await aesGcmOfBytes(key).encrypt({ nonce, plain: nothing, associated: salt, prefix: [nonce] })
  try {
    await notes.put(name, writeParameters({ salt, iterations, check }), 0)
    return key
  } catch (error) {
    const found = await notes.get(name)
    if (found === undefined) throw error
    // Another process was faster: its salt is the one that counts.
    return await keyOf(passphrase, readParameters(found.bytes))
  }
}

async function keyOf(passphrase: string, { salt, iterations, check }: Parameters): Promise<Uint8Array> {
  const key = await derive(passphrase, salt, iterations)
  const nonce = check.subarray(0, nonceLength)
  const opened = await aesGcmOfBytes(key).decrypt(nonce, check.subarray(nonceLength), salt)
  if (opened !== undefined && sameBytes(opened, new Uint8Array(0))) return key
  throw new EnvelopeError(
    'ERR_WRONG_PASSPHRASE',
    'The passphrase does not fit the one the records were sealed with.',
    {
      hint: 'Type it again; nothing was changed.',
    },
  )
}

/** Different ways to write the same accents make the same key. */
function derive(
  passphrase: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
): Promise<Uint8Array<ArrayBuffer>> {
  return derivePbkdf2(passphrase.normalize('NFKC'), { salt, iterations, hash: 'SHA-256', length: 32 })
}

function writeParameters({ salt, iterations, check }: Parameters): Uint8Array {
  const note = {
    v: noteVersion,
    kdf: 'PBKDF2-HMAC-SHA-256',
    iterations,
    salt: encodeBase64(salt),
    check: encodeBase64(check),
  }
  return new TextEncoder().encode(JSON.stringify(note))
}

function readParameters(bytes: Uint8Array): Parameters {
  const note = parseJson(new TextDecoder().decode(bytes))
  const salt = base64Of(note['salt'])
  const check = base64Of(note['check'])
  const iterations = note['iterations']
  if (
    note['v'] !== noteVersion ||
    note['kdf'] !== 'PBKDF2-HMAC-SHA-256' ||
    salt?.length !== saltLength ||
    check?.length !== checkLength ||
    typeof iterations !== 'number' ||
    !Number.isInteger(iterations) ||
    iterations < fewestIterations ||
    iterations > mostIterations
  ) {
    throw new EnvelopeError(
      'ERR_INVALID_OPTION',
      'The note with the parameters of the passphrase cannot be read.',
      {
        hint: 'It is damaged or was written by a newer version; restore it from a backup, nothing was changed.',
      },
    )
  }
  return { salt, check, iterations }
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

function base64Of(value: unknown): Uint8Array<ArrayBuffer> | undefined {
  return typeof value === 'string' ? decodeBase64(value) : undefined
}
