// CRC-32C (Castagnoli), reflected polynomial 0x82F63B78, slice-by-8: eight table lookups for eight bytes.

let tables: Int32Array | undefined

function build(): Int32Array {
  const table = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
    table[byte] = value
  }
  for (let byte = 0; byte < 256; byte++) {
    let value = table[byte] ?? 0
    for (let slice = 1; slice < 8; slice++) {
      value = (table[value & 0xff] ?? 0) ^ (value >>> 8)
      table[slice * 256 + byte] = value
    }
  }
  return table
}

/**
 * CRC-32C of `bytes[start, end)` as an unsigned number. `seed` is the CRC of what came before, so that
 * `crc32c(b, crc32c(a))` is the CRC of a followed by b.
 */
export function crc32c(bytes: Uint8Array, seed = 0, start = 0, end: number = bytes.length): number {
  tables ??= build()
  const t = tables
  let crc = ~seed
  let at = start
  // The `as number` casts hold because every index is masked below the length or bounded by the loop; a
  // run-time fallback would cost a third of the speed.
  for (const stop = end - 7; at < stop; at += 8) {
    const low =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24))
    crc =
      (t[1792 + (low & 0xff)] as number) ^
      (t[1536 + ((low >>> 8) & 0xff)] as number) ^
      (t[1280 + ((low >>> 16) & 0xff)] as number) ^
      (t[1024 + (low >>> 24)] as number) ^
      (t[768 + (bytes[at + 4] as number)] as number) ^
      (t[512 + (bytes[at + 5] as number)] as number) ^
      (t[256 + (bytes[at + 6] as number)] as number) ^
      (t[bytes[at + 7] as number] as number)
  }
  for (; at < end; at++) crc = (t[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8)
  return ~crc >>> 0
}
