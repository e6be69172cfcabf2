import { QueueError } from '../errors.js'
import { encodeText } from '../internal/bytes.js'
import { codeOf } from '../outbox/failures.js'
import { maxOverhead, type RecordCipher } from './record-cipher.js'

/** Version of everything a sealed storage writes. Part of the associated data. */
export const formatVersion = 1

/** What a sealed record is. Part of the associated data: a note cannot be passed off as a payload. */
export type Part = 'head' | 'payload' | 'note' | 'mark' | 'named-note' | 'hash-key'

/** Seals and opens records of one store. */
export interface RecordSealer {
  /** Rejects with `ERR_KEY_LOCKED` or `ERR_STORAGE_FAILED`. */
  seal(part: Part, label: string, plain: Uint8Array): Promise<Uint8Array>
  /** Resolves to `undefined` when the record does not open. Rejects with `ERR_KEY_LOCKED`. */
  open(part: Part, label: string, sealed: Uint8Array): Promise<Uint8Array | undefined>
}

function locked(cause: unknown): QueueError {
  return new QueueError('ERR_KEY_LOCKED', 'the key of the sealed storage is locked', {
    hint: 'Unlock the key and try again. Nothing was stored or lost.',
    cause,
  })
}

export function createSealer(cipher: RecordCipher, storeId: Uint8Array): RecordSealer {
  function associatedData(part: Part, label: string): Uint8Array {
    const text = encodeText(`fhir-outbox/sealed/${formatVersion}/${part}/${label}`)
    const bytes = new Uint8Array(storeId.length + text.length)
    bytes.set(storeId)
    bytes.set(text, storeId.length)
    return bytes
  }

  return {
    async seal(part, label, plain) {
      let sealed: Uint8Array
      try {
        sealed = await cipher.encrypt(plain, associatedData(part, label))
      } catch (cause) {
        if (codeOf(cause) === 'ERR_KEY_LOCKED') throw locked(cause)
        throw new QueueError('ERR_STORAGE_FAILED', 'a record could not be sealed', {
          hint: 'Nothing was stored. See `cause`: the cipher failed.',
          cause,
        })
      }
      if (sealed.length <= plain.length + maxOverhead) return sealed
      throw new QueueError('ERR_STORAGE_FAILED', 'the cipher makes records too long', {
        hint: `Use a cipher that adds at most ${maxOverhead} bytes. Nothing was stored.`,
      })
    },
    async open(part, label, sealed) {
      try {
        return await cipher.decrypt(sealed, associatedData(part, label))
      } catch (cause) {
        if (codeOf(cause) === 'ERR_KEY_LOCKED') throw locked(cause)
        return undefined
      }
    },
  }
}
