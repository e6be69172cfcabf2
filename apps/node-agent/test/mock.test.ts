import { request } from 'node:http'
import { PassThrough } from 'node:stream'
import { expect, it, vi } from 'vitest'
import { mock } from '../src/commands/mock.js'
import { exitCodes } from '../src/exit-codes.js'

function open() {
  const out = new PassThrough({ encoding: 'utf8' })
  const err = new PassThrough({ encoding: 'utf8' })
  let printed = ''
  out.on('data', (part: string) => (printed += part))
  return { console: { out, err, json: false }, printed: () => printed }
}

it('serves until it is told to stop, and then leaves nothing open', async () => {
  const { console, printed } = open()
  const stop = new AbortController()
  const ended = mock(['--port', '0', '--open'], console, stop.signal)
  await vi.waitFor(() => expect(printed()).toMatch(/FHIR R4 base/))
  const url = /FHIR R4 base +(\S+)/.exec(printed())?.[1] ?? ''
  expect((await fetch(`${url}/metadata`)).status).toBe(200)
  // A request that is still coming in does not hold it back.
  const slow = request(`${url}/Basic`, { method: 'POST', headers: { 'content-length': '100' } })
  const cut = new Promise((resolve) => slow.on('error', resolve))
  await new Promise((resolve) => slow.write('{', resolve))
  stop.abort()
  expect(await ended).toBe(exitCodes.ok)
  await cut
  await expect(fetch(`${url}/metadata`)).rejects.toThrow(TypeError)
})

it('helps without serving, and refuses what it does not know', async () => {
  const { console, printed } = open()
  const never = new AbortController().signal
  expect(await mock(['--help'], console, never)).toBe(exitCodes.ok)
  expect(printed()).toContain('--profile <name>')
  await expect(mock(['--profile', 'kind'], console, never)).rejects.toMatchObject({
    code: 'ERR_MOCK_OPTIONS',
  })
})
