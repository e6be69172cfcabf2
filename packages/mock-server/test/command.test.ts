import { describe, expect, it, onTestFinished } from 'vitest'
import { helpText, runMockCommand } from '../src/node/command.js'
import { json } from './rig.js'

describe('the command', () => {
  it('prints what is needed to use the server', async () => {
    let printed = ''
    const listening = await runMockCommand(
      ['--', '--port', '0', '--token-seconds', '7'],
      (text) => (printed += text),
    )
    onTestFinished(() => listening?.close())
    const url = /FHIR R4 base +(\S+)/.exec(printed)?.[1] ?? ''
    expect(url).toBe(`${listening?.url}/fhir`)
    expect((await fetch(`${url}/Patient`)).status).toBe(401)
    const field = (name: string) => new RegExp(`^${name} +(\\S+)$`, 'm').exec(printed)?.[1] ?? ''
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: field('Client'),
      client_secret: field('Client secret'),
    })
    expect(await json(fetch(field('Token endpoint'), { method: 'POST', body }))).toMatchObject({
      expires_in: 7,
    })
    const registered = await fetch(field('C3-PRO registration'), {
      method: 'POST',
      headers: { antispam: field('Antispam header') },
      body: JSON.stringify({ 'receipt-data': field('App receipt') }),
    })
    expect(registered.status).toBe(201)
    expect(printed).toContain('-----BEGIN CERTIFICATE-----')
  })

  it('opens the FHIR routes on request', async () => {
    const listening = await runMockCommand(['--port=0', '--open', '--host', '127.0.0.1'], () => undefined)
    onTestFinished(() => listening?.close())
    expect((await fetch(`${listening?.url}/fhir/Patient`)).status).toBe(200)
  })

  it('helps, and refuses what it does not know', async () => {
    let printed = ''
    expect(await runMockCommand(['--help'], (text) => (printed += text))).toBeUndefined()
    expect(printed).toBe(helpText)
    for (const args of [
      ['--nonsense'],
      ['extra'],
      ['--port', 'x'],
      ['--port', '70000'],
      ['--token-seconds', '-1'],
    ]) {
      await expect(runMockCommand(args, () => undefined)).rejects.toMatchObject({ code: 'ERR_MOCK_OPTIONS' })
    }
  })
})
