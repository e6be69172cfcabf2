import { QueueError } from '../errors.js'
import { encodeText, writeText } from '../internal/bytes.js'
import { codeOf } from '../outbox/failures.js'
import { maxOverhead, type RecordCipher } from './record-cipher.js'
import { adopt, type Soon } from './soon.js'

/** Version of everything a sealed storage writes. Part of the associated data. */
export const formatVersion = 1

/** What a sealed record is. Part of the associated data: a note cannot be passed off as a payload. */
export type Part = 'head' | 'payload' | 'note' | 'mark' | 'named-note' | 'hash-key'

/** Seals and opens records of one store. Answers at once where the cipher does; failures always reject. */
export interface RecordSealer {
  /** Rejects with `ERR_KEY_LOCKED` or `ERR_STORAGE_FAILED`. */
  seal(part: Part, label: string, plain: Uint8Array): Soon<Uint8Array>
  /** Comes to `undefined` when the record does not open. Rejects with `ERR_KEY_LOCKED`. */
  open(part: Part, label: string, sealed: Uint8Array): Soon<Uint8Array | undefined>
  /** Memory for what is sealed next, used again once `seal` has answered. */
  borrow(size: number): Uint8Array
}

/** Enough for most heads and what is authenticated with them. */
const roomSize = 1024

function locked(cause: unknown): QueueError {
  return new QueueError('ERR_KEY_LOCKED', 'the key of the sealed storage is locked', {
    hint: 'Unlock the key and try again. Nothing was stored or lost.',
    cause,
  })
}

function notSealed(cause: unknown): never {
  if (codeOf(cause) === 'ERR_KEY_LOCKED') throw locked(cause)
  throw new QueueError('ERR_STORAGE_FAILED', 'a record could not be sealed', {
    hint: 'Nothing was stored. See `cause`: the cipher failed.',
    cause,
  })
}

function notOpened(cause: unknown): undefined {
  if (codeOf(cause) === 'ERR_KEY_LOCKED') throw locked(cause)
}

function checkLength(sealed: Uint8Array, most: number): Uint8Array {
  if (sealed.length <= most) return sealed
  throw new QueueError('ERR_STORAGE_FAILED', 'the cipher makes records too long', {
    hint: `Use a cipher that adds at most ${maxOverhead} bytes. Nothing was stored.`,
  })
}

/** What `call` answers; when it throws, a promise that rejects. */
function rejecting<T>(call: () => Soon<T>): Soon<T> {
  try {
    return call()
  } catch (cause) {
    return Promise.reject(cause)
  }
}

export function createSealer(cipher: RecordCipher, storeId: Uint8Array): RecordSealer {
  const starts = new Map<Part, Uint8Array>()
  // Buffers of their own would cost a small record more time than AES does.
  let room = new Uint8Array(roomSize)
  let borrowed = 0

  function borrow(size: number): Uint8Array {
    const end = borrowed + size
    if (end > room.length) return new Uint8Array(size)
    const bytes = room.subarray(borrowed, end)
    borrowed = end
    return bytes
  }

  /** Store id, format version and part. */
  function startOf(part: Part): Uint8Array {
    const known = starts.get(part)
    if (known !== undefined) return known
    const text = encodeText(`fhir-outbox/sealed/${formatVersion}/${part}/`)
    const start = new Uint8Array(storeId.length + text.length)
    start.set(storeId)
    start.set(text, storeId.length)
    starts.set(part, start)
    return start
  }

  function associatedData(part: Part, label: string): Uint8Array {
    const start = startOf(part)
    const bytes = borrow(start.length + 3 * label.length)
    bytes.set(start)
    return bytes.subarray(0, writeText(bytes, start.length, label))
  }

  return {
    borrow,
    seal(part, label, plain) {
      const most = plain.length + maxOverhead
      const sealed = rejecting(() => adopt(cipher.encrypt(plain, associatedData(part, label))))
      if (sealed instanceof Promise) {
        // Perhaps still read.
        room = new Uint8Array(roomSize)
        borrowed = 0
        return sealed.then((there) => checkLength(there, most), notSealed)
      }
      // Heads name patients: none stays in memory longer than it must.
      room.fill(0, 0, borrowed)
      borrowed = 0
      return rejecting(() => checkLength(sealed, most))
    },
    open(part, label, sealed) {
      const plain = rejecting(() => adopt(cipher.decrypt(sealed, associatedData(part, label))))
      borrowed = 0
      if (!(plain instanceof Promise)) return plain
      room = new Uint8Array(roomSize)
      return plain.catch(notOpened)
    },
  }
}
