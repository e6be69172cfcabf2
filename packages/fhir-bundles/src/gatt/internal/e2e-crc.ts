/** E2E-CRC of the CGM profile: polynomial 0x1021 reflected, start FFFF. */
export function crcOf(bytes: Uint8Array): number {
  let crc = 0xffff
  for (const byte of bytes) {
    crc ^= byte
    for (let step = 0; step < 8; step++) crc = (crc & 1) === 0 ? crc >> 1 : (crc >> 1) ^ 0x8408
  }
  return crc
}
