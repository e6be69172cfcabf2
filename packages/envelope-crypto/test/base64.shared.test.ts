import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBase64, encodeBase64 } from '../src/internal/base64.js'

const bytes = fc.uint8Array({ maxLength: 80 }).map((source) => new Uint8Array(source))

describe('Base64', () => {
  it('writes what the platform writes, and reads it back', () => {
    fc.assert(
      fc.property(bytes, (source) => {
        const encoded = encodeBase64(source)
        expect(encoded).toBe(btoa(String.fromCharCode(...source)))
        expect(decodeBase64(encoded)).toEqual(source)
      }),
    )
  })

  it('accepts and refuses what the forgiving decoder of the platform does', () => {
    const character = fc.constantFrom(...'AZaz09+/=-_* \n\r\té\u{ff21}')
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 12 }), (text) => {
        expect(decodeBase64(text)).toEqual(platformDecode(text))
      }),
      { numRuns: 2000 },
    )
  })
})

function platformDecode(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}
