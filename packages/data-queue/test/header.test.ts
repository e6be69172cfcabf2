import { expect, it } from 'vitest'
import { decodeHeader, encodeHeader, type EntryHeader } from '../src/header.js'

const header: EntryHeader = {
  method: 'PUT',
  path: 'Patient/1',
  headers: {},
  plan: 'put-client-id',
  resourceType: 'Patient',
}

it('is read back as it was written', () => {
  expect(decodeHeader(encodeHeader(header))).toMatchObject(header)
})

it.each(['{"v":2,"method":"POST"}', '{}', '[]', 'no JSON', ''])('refuses %j with a code', (text) => {
  const refused = expect.objectContaining({ code: 'ERR_ENTRY_FORMAT' })
  expect(() => decodeHeader(new TextEncoder().encode(text))).toThrowError(refused)
})

it('refuses to grow beyond what a storage takes', () => {
  const refused = expect.objectContaining({ code: 'ERR_ENTRY_TOO_LARGE' })
  expect(() => encodeHeader({ ...header, path: 'x'.repeat(5_000) })).toThrowError(refused)
})
