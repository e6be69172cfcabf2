/** Copies into one buffer of this many bytes: one allocation costs less than a hundred. What is too much goes alone. */
export function copier(size: number): (bytes: Uint8Array) => Uint8Array {
  let buffer: Uint8Array | undefined
  let used = 0
  return (bytes) => {
    if (used + bytes.length > size) return bytes.slice()
    buffer ??= new Uint8Array(size)
    const copy = buffer.subarray(used, used + bytes.length)
    copy.set(bytes)
    used += bytes.length
    return copy
  }
}
