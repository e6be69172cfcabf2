// Memory that is used again: in a browser, asking for new memory costs a small message more time than copying it.

let spare: Uint8Array<ArrayBuffer> | undefined
const spareLength = 16 * 1024

/** At least `length` bytes, to be given back once they are done with. */
export function borrowBytes(length: number): Uint8Array<ArrayBuffer> {
  if (length > spareLength) return new Uint8Array(length)
  const bytes = spare ?? new Uint8Array(spareLength)
  spare = undefined
  return bytes
}

/** Wipes what was used of them: it may have been plaintext. */
export function giveBack(bytes: Uint8Array<ArrayBuffer>, used: number): void {
  bytes.fill(0, 0, used)
  if (bytes.length === spareLength) spare = bytes
}
