/**
 * Encrypts and authenticates records. Both calls answer at once or by a promise, and fail by rejecting, with an error
 * whose `code` is `ERR_KEY_LOCKED` while there is no key (nobody has unlocked it, the key service cannot be reached);
 * they must not wait for one. Any other failure of `decrypt` says that the record is not what `encrypt` made.
 *
 * What `encrypt` returns must say by itself which key opens it, so that keys can be rotated, and may be at most
 * 512 bytes longer than the record. Both return new bytes, and the bytes passed in are theirs only until they answer.
 */
export interface RecordCipher {
  encrypt(record: Uint8Array, associatedData: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** Rejects when the record or the associated data are not what `encrypt` was given. */
  decrypt(record: Uint8Array, associatedData: Uint8Array): Uint8Array | Promise<Uint8Array>
  /**
   * Says that `encrypt` has read its bytes when it returns, also when it returns a promise. Without it they are copied
   * first, because whoever appends may use them for something else at once. A cipher around another one must not take
   * this over by `{ ...cipher }` if it waits for anything before it passes the bytes on.
   */
  readonly readsAtOnce?: boolean
  /**
   * Whether a record was sealed with the key that new records get. With it, a sealed storage seals its hash key and
   * its named notes anew after a rotation, so that only entries still need the old key.
   */
  isCurrent?(record: Uint8Array): boolean
}

/** More would not fit into what adapters grant to sealed records: see `adapterLimits`. */
export const maxOverhead = 512
