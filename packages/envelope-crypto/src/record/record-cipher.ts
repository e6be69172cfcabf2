import { EnvelopeError } from '../errors.js'
import { nonceLength } from '../internal/aes-gcm.js'
import type { AesGcm } from '../internal/aes-gcm.js'
import { isBytes, join } from '../internal/bytes.js'
import { invalidOption } from '../internal/options.js'
import { andThen, isPromise, rejecting } from '../internal/soon.js'
import type { Soon } from '../internal/soon.js'
import { randomBytes } from '../internal/web-crypto.js'
import { requireKeyId } from '../key-id.js'
import { dataKeyMemory, newDataKey, recordsPerDataKey, unwrapDataKey } from './data-keys.js'
import { nameOf, takeApart } from './record-format.js'
import type { RecordParts } from './record-format.js'
import { holdKey } from './record-key.js'
import type { HeldKey, RecordKeySource } from './record-key.js'

/** One key of records under its name. */
export interface NamedRecordKey {
  /** Stands in every record: 1 to 128 letters, digits, `-`, `_` and inner dots. Never use it again for another key. */
  readonly keyId: string
  readonly key: RecordKeySource
}

export interface RecordCipherOptions extends NamedRecordKey {
  /** Earlier keys: they open what they sealed and seal nothing. Leave one out and its records cannot be read. */
  readonly older?: readonly NamedRecordKey[]
}

/** Fits `sealStorage` of `@fhir-outbox/queue-core`. */
export interface RecordCipher {
  /** The key that seals new records. */
  readonly keyId: string
  /**
   * Seals a record; at once in Node, unless the key must be asked for or the record is large. The bytes are read before
   * the call returns. Rejects with ERR_KEY_LOCKED, ERR_INVALID_OPTION (no bytes, or the key is none) or
   * ERR_CRYPTO_UNAVAILABLE.
   */
  encrypt(record: Uint8Array, associatedData: Uint8Array): Uint8Array | Promise<Uint8Array>
  /**
   * Opens a record; at once where `encrypt` answers at once. Rejects with ERR_KEY_LOCKED, ERR_UNKNOWN_KEY (its key was
   * not given), ERR_OPEN_FAILED (record or associated data were changed, or it was sealed with another key of the same
   * name).
   */
  decrypt(record: Uint8Array, associatedData: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** The bytes given to `encrypt` are read when it returns. */
  readonly readsAtOnce: true
  /** Whether the record was sealed with the key that seals new ones. Opens nothing. */
  isCurrent(record: Uint8Array): boolean
  /** Forgets unlocked keys. Keys from a function are asked for again when they are needed next; others stay. */
  lock(): void
}

/**
 * Encryption of records at rest: AES-256-GCM with a random nonce, under data keys that are shared by at most 100
 * records and stand, wrapped by your key, in each of them. What `encrypt` adds: 90 bytes and the key id.
 *
 * To rotate, make a new key with a new id and pass the old one as `older`; `keysInUse` tells when nothing needs it any
 * more. Deleting a key makes all records that were sealed with it unreadable for ever.
 *
 * Throws ERR_EMPTY_KEY_ID, ERR_INVALID_KEY_ID, ERR_DUPLICATE_KEY_ID or ERR_INVALID_OPTION.
 */
export function createRecordCipher(options: RecordCipherOptions): RecordCipher {
  const keyId = requireKeyId(options.keyId)
  const keys = holdKeys([options, ...(options.older ?? [])])
  const current = requireKey(keys, keyId)
  const named = nameOf(keyId)
  let memory = dataKeyMemory()
  let sealing: SealingKey | undefined
  let coming: Promise<SealingKey> | undefined

  function newSealingKey(): Soon<SealingKey> {
    const data = andThen(current.get(), (key) => newDataKey(key, named))
    return andThen(data, ({ wrapped, cipher }) => ({
      cipher,
      head: join(named, wrapped),
      associated: join(named, wrapped, roomForAssociated),
      nonces: randomBytes(recordsPerDataKey * nonceLength),
      used: 0,
    }))
  }

  function encrypt(record: Uint8Array, associatedData: Uint8Array): Soon<Uint8Array> {
    requireBytes(record, associatedData)
    if (coming === undefined && (sealing === undefined || sealing.used >= recordsPerDataKey)) {
      const made = newSealingKey()
      if (isPromise(made)) coming = made
      else sealing = made
    }
    return coming === undefined && sealing !== undefined
      ? encryptWith(sealing, record, associatedData)
      : // Copied: the caller may use its bytes again while a key is made.
        encryptLater(record.slice(), associatedData.slice())
  }

  /** All who come while a key is made wait for it. */
  async function keyMade(): Promise<void> {
    const making = coming
    try {
      const made = await making
      if (coming === making) sealing = made
    } finally {
      if (coming === making) coming = undefined
    }
  }

  async function encryptLater(record: Uint8Array, associatedData: Uint8Array): Promise<Uint8Array> {
    try {
      await keyMade()
      return await encrypt(record, associatedData)
    } finally {
      record.fill(0)
    }
  }

  function openingKey({ keyId: id, named, wrapped, head }: RecordParts): Soon<AesGcm> {
    // What was being unlocked when all was forgotten is not remembered.
    const known = memory
    return andThen(requireKey(keys, id).get(), (key) =>
      andThen(
        known.get(head, () => unwrapDataKey(key, named, wrapped)),
        (data) => data ?? openFailed(),
      ),
    )
  }

  function decrypt(record: Uint8Array, associatedData: Uint8Array): Soon<Uint8Array> {
    requireBytes(record, associatedData)
    // Copied: it may have to wait for a key.
    const parts = takeApart(record.slice())
    if (parts === undefined) return openFailed()
    const data = join(parts.head, associatedData)
    return andThen(openingKey(parts), (key) =>
      andThen(key.decrypt(parts.nonce, parts.sealed, data), (plain) => plain ?? openFailed()),
    )
  }

  return {
    keyId,
    readsAtOnce: true,
    encrypt: (record, associatedData) => rejecting(() => encrypt(record, associatedData)),
    decrypt: (record, associatedData) => rejecting(() => decrypt(record, associatedData)),
    isCurrent: (record) => takeApart(record)?.keyId === keyId,
    lock() {
      for (const key of keys.values()) key.forget()
      memory = dataKeyMemory()
      sealing = undefined
      coming = undefined
    },
  }
}

/**
 * Counts the records that need each key. Pass every record a storage holds (`sealedRecords` of
 * `@fhir-outbox/queue-core` lists them); a key that is not in the answer may be deleted.
 * Bytes that are no record of this package are counted under undefined.
 */
export async function keysInUse(
  records: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<ReadonlyMap<string | undefined, number>> {
  const counts = new Map<string | undefined, number>()
  for await (const record of records) {
    const keyId = takeApart(record)?.keyId
    counts.set(keyId, (counts.get(keyId) ?? 0) + 1)
  }
  return counts
}

const roomForAssociated = new Uint8Array(256)

/** The data key that seals now. */
interface SealingKey {
  readonly cipher: AesGcm
  /** How each of its records starts. */
  readonly head: Uint8Array
  /** The head and room behind it: what is authenticated is put together here, and read at once. */
  readonly associated: Uint8Array
  /** Made at once: asking for randomness costs more than encrypting a small record. */
  readonly nonces: Uint8Array
  used: number
}

function encryptWith(key: SealingKey, plain: Uint8Array, associatedData: Uint8Array): Soon<Uint8Array> {
  const { head, nonces, cipher } = key
  const nonce = nonces.subarray(key.used * nonceLength, (key.used + 1) * nonceLength)
  key.used++
  return cipher.encrypt({
    nonce,
    plain,
    associated: associatedWith(key, associatedData),
    prefix: [head, nonce],
  })
}

/** The head and what else is authenticated. Good until the next call. */
function associatedWith({ head, associated }: SealingKey, data: Uint8Array): Uint8Array {
  const end = head.length + data.length
  if (end > associated.length) return join(head, data)
  associated.set(data, head.length)
  return associated.subarray(0, end)
}

function holdKeys(named: readonly NamedRecordKey[]): ReadonlyMap<string, HeldKey> {
  const keys = new Map<string, HeldKey>()
  for (const { keyId, key } of named) {
    requireKeyId(keyId)
    if (keys.has(keyId)) {
      throw new EnvelopeError('ERR_DUPLICATE_KEY_ID', 'Two keys of records have the same key id.', {
        hint: 'Give every key its own id; a rotated key gets a new one.',
      })
    }
    keys.set(keyId, holdKey(key))
  }
  return keys
}

function requireBytes(...values: readonly unknown[]): void {
  if (!values.every(isBytes)) throw invalidOption('Record and associated data must be Uint8Arrays.')
}

function requireKey(keys: ReadonlyMap<string, HeldKey>, keyId: string): HeldKey {
  const key = keys.get(keyId)
  if (key !== undefined) return key
  throw new EnvelopeError('ERR_UNKNOWN_KEY', 'There is no key for the key id of this record.', {
    hint: 'Pass the key it was sealed with as one of `older`.',
  })
}

function openFailed(): never {
  throw new EnvelopeError('ERR_OPEN_FAILED', 'The record could not be opened.', {
    hint: 'It is damaged, was moved, or was sealed with another key of the same name.',
  })
}
