import { createHash } from 'node:crypto'
import type { Unit } from './units.js'

/**
 * A key per unit that is the same whenever the same content goes to the same destination, so that sending a
 * file twice adds nothing. Equal units inside one input are told apart by their number. UUID version 8
 * (RFC 9562) from SHA-256.
 */
export function unitKeys(destination: string, units: readonly Unit[]): readonly string[] {
  const seen = new Map<string, number>()
  return units.map((unit) => {
    const content = createHash('sha256').update(unit.json).digest('hex')
    const count = seen.get(content) ?? 0
    seen.set(content, count + 1)
    const bytes = createHash('sha256').update(`${destination}\n${content}\n${count}`).digest().subarray(0, 16)
    bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6)
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
    const hex = bytes.toString('hex')
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  })
}
