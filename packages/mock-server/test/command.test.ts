import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
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

  it('is like the server asked for, and shows the root asked for', async () => {
    const args = [
      '--port=0',
      '--open',
      '--profile',
      'medplum',
      '--c3pro',
      '2016',
      '--base-url',
      'https://outer.example',
    ]
    let printed = ''
    const listening = await runMockCommand(args, (text) => (printed += text))
    onTestFinished(() => listening?.close())
    expect(printed).toContain('https://outer.example/fhir')
    const found = await json(fetch(`${listening?.url}/fhir/Patient?_id=ada`))
    expect(found['entry']?.[0]?.['fullUrl']).toBe('https://outer.example/fhir/Patient/ada')
    expect((await fetch(`${listening?.url}/fhir/Patient?nonsense=1`)).status).toBe(400)
    const registered = await fetch(`${listening?.url}/c3pro/register`, {
      method: 'POST',
      headers: { antispam: 'mock-antispam' },
      body: '{"receipt-data":"NO-APP-RECEIPT"}',
    })
    expect([registered.status, (await registered.text()).endsWith(',}')]).toEqual([201, true])
  })

  it.skipIf(spawnSync('curl', ['--version']).status !== 0)(
    'prints people who can log in, and has examples that work',
    async () => {
      let printed = ''
      const listening = await runMockCommand(['--port=0'], (text) => (printed += text))
      onTestFinished(() => listening?.close())
      expect(printed).toMatch(/^Login +ada \/ ada$/m)
      const page = await (await fetch(listening?.url ?? '')).text()
      const commands = [...page.matchAll(/<pre><code>(.*?)<\/code><\/pre>/gs)].map(([, text = '']) =>
        text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&'),
      )
      expect(commands).toHaveLength(4)
      const { stdout } = await promisify(execFile)('sh', ['-ec', commands.join('\n')])
      expect(stdout).toContain('"total":2')
      expect(stdout).toContain('"value":70.50')
      expect(stdout).toContain('"transaction-response"')
    },
  )

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
      ['--profile', 'kind'],
      ['--c3pro', '1999'],
      ['--base-url', 'nowhere'],
    ]) {
      await expect(runMockCommand(args, () => undefined)).rejects.toMatchObject({ code: 'ERR_MOCK_OPTIONS' })
    }
  })
})
