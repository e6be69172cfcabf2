import { EnvelopeError } from '../errors.js'
import { nonceLength } from '../internal/aes-gcm.js'
import { isBytes, join } from '../internal/bytes.js'
import { invalidOption } from '../internal/options.js'
import { randomBytes } from '../internal/web-crypto.js'
import { requireKeyId } from '../key-id.js'
import { dataKeyMemory, newDataKey, recordsPerDataKey, unwrapDataKey } from './data-keys.js'
import type { DataKey } from './data-keys.js'
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
   * Seals a record. Rejects with ERR_KEY_LOCKED, ERR_INVALID_OPTION (no bytes, or the key is none) or
   * ERR_CRYPTO_UNAVAILABLE.
   */
  encrypt(record: Uint8Array, associatedData: Uint8Array): Promise<Uint8Array>
  /**
   * Opens a record. Rejects with ERR_KEY_LOCKED, ERR_UNKNOWN_KEY (its key was not given), ERR_OPEN_FAILED (record or
   * associated data were changed, or it was sealed with another key of the same name).
   */
  decrypt(record: Uint8Array, associatedData: Uint8Array): Promise<Uint8Array>
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
  const memory = dataKeyMemory()
  let sealing: SealingKey | undefined
  let coming: Promise<SealingKey> | undefined

  /** Waited for by all who come while it is made. */
  async function newSealingKey(): Promise<SealingKey> {
    const data = await newDataKey(await current.get(), named)
    return {
      ...data,
      head: join(named, data.wrapped),
      nonces: randomBytes(recordsPerDataKey * nonceLength),
      used: 0,
    }
  }

  async function encryptLater(record: Uint8Array, associatedData: Uint8Array): Promise<Uint8Array> {
    // Copied: the caller may use its bytes again while a key is made.
    const plain = record.slice()
    const data = associatedData.slice()
    for (;;) {
      coming ??= newSealingKey()
      const making = coming
      try {
        const made = await making
        if (coming === making) sealing = made
      } finally {
        if (coming === making) coming = undefined
      }
      const sealed = encryptNow(plain, data)
      if (sealed !== undefined) return sealed
    }
  }

  /** Undefined when there is no data key, or the one there is has sealed its share. */
  function encryptNow(
    record: Uint8Array,
    associatedData: Uint8Array,
  ): Uint8Array | Promise<Uint8Array> | undefined {
    if (sealing === undefined || sealing.used >= recordsPerDataKey) return undefined
    const { head, nonces, cipher } = sealing
    const nonce = nonces.subarray(sealing.used * nonceLength, (sealing.used + 1) * nonceLength)
    sealing.used++
    return cipher.encrypt({
      nonce,
      plain: record,
      associated: join(head, associatedData),
      prefix: join(head, nonce),
    })
  }

  async function openingKey(parts: RecordParts): Promise<DataKey['cipher']> {
    const cipher = await requireKey(keys, parts.keyId).get()
    const known = memory.find(parts.wrapped)
    if (known !== undefined) return known
    const unwrapped = await unwrapDataKey(cipher, parts.named, parts.wrapped)
    if (unwrapped === undefined) throw openFailed()
    memory.add(unwrapped)
    return unwrapped.cipher
  }

  return {
    keyId,
    async encrypt(record, associatedData) {
      requireBytes(record, associatedData)
      return encryptNow(record, associatedData) ?? encryptLater(record, associatedData)
    },
    async decrypt(record, associatedData) {
      requireBytes(record, associatedData)
      const parts = takeApart(record.slice())
      if (parts === undefined) throw openFailed()
      const data = join(parts.head, associatedData)
      const plain = await (await openingKey(parts)).decrypt(parts.nonce, parts.sealed, data)
      if (plain === undefined) throw openFailed()
      return plain
    },
    isCurrent: (record) => takeApart(record)?.keyId === keyId,
    lock() {
      for (const key of keys.values()) key.forget()
      memory.clear()
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

/** The data key that seals now. */
interface SealingKey extends DataKey {
  /** How each of its records starts. */
  readonly head: Uint8Array
  /** Made at once: asking for randomness costs more than encrypting a small record. */
  readonly nonces: Uint8Array
  used: number
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

function openFailed(): EnvelopeError {
  return new EnvelopeError('ERR_OPEN_FAILED', 'The record could not be opened.', {
    hint: 'It is damaged, was moved, or was sealed with another key of the same name.',
  })
}
