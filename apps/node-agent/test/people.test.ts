import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { main } from '../src/main.js'
import { tokenSource } from '../src/queue/tokens.js'
import { agent } from './support/agent.js'
import { startMock, type Mock } from './support/mock.js'
import { tempDirectory } from './support/temp.js'
import { eventsOf, type Event } from './support/transcript.js'
import { Readable, Writable } from 'node:stream'

/** Logs in like a person who visits the address that the command shows; the mock decides at once. */
async function logIn(
  args: readonly string[],
): Promise<{ code: number; events: readonly Event[]; text: string }> {
  let text = ''
  let visited = false
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      const visit = eventsOf(text.slice(0, text.lastIndexOf('\n') + 1)).find(({ event }) => event === 'visit')
      if (visit !== undefined && !visited) {
        visited = true
        void fetch(String(visit['url']))
      }
      done()
    },
  })
  const code = await main(['login', '--json', ...args], {
    stdin: Readable.from([]),
    stdout,
    stderr: stdout,
    env: {},
  })
  return { code, events: eventsOf(text), text }
}

const resource = JSON.stringify({ resourceType: 'Observation', status: 'final', code: { text: 'weight' } })

async function strictMock(): Promise<Mock> {
  const started = await startMock({})
  started.mock.state.load([{ resourceType: 'Patient', id: 'p1' }])
  started.mock.state.addUser({ username: 'anna', password: 'x', fhirUser: 'Practitioner/p1' })
  started.mock.state.approveLogins({ username: 'anna' })
  return started
}

describe('login', () => {
  test('registers itself, lets a person in, and later sends use that login until logout', async () => {
    const { mock, fhir } = await strictMock()
    const directory = await tempDirectory()
    const where = ['--server', fhir, '--directory', directory]
    const elsewhere = ['--server', fhir, '--directory', await tempDirectory()]
    const refused = await agent(['send', '-', ...elsewhere, '--wait', '1'], { stdin: resource })
    expect(refused.code).toBe(6)
    const { code, events, text } = await logIn(where)
    expect(code).toBe(0)
    expect(events.at(-1)).toMatchObject({ event: 'logged-in', server: fhir, renewable: true, notices: [] })
    for (const { token } of mock.state.tokens) expect(text).not.toContain(token)

    const sent = await agent(['send', '-', ...where], { stdin: resource })
    expect(sent.code).toBe(0)
    expect(mock.state.resources('Observation')).toHaveLength(1)

    const who = await agent(['whoami', '--directory', directory, '--json'])
    expect(who.events()).toEqual([
      expect.objectContaining({ event: 'login', server: fhir, account: 'default' }),
    ])
    const out = await agent(['logout', ...where, '--forget', '--json'])
    expect(out.events()).toEqual([
      { event: 'logged-out', server: fhir, tokens: 'revoked', registration: 'deleted' },
    ])
    expect((await agent(['whoami', '--directory', directory])).stdout).toContain('nobody is logged in')
    expect((await agent(['logout', ...where])).stdout).toContain('Nobody was logged in')
  })

  test('of another person is used by what runs already, once the first has ended', async () => {
    const { mock, fhir } = await strictMock()
    mock.state.load([{ resourceType: 'Patient', id: 'p2' }])
    mock.state.addUser({ username: 'bob', password: 'x', fhirUser: 'Practitioner/p2' })
    const directory = await tempDirectory()
    const where = ['--server', fhir, '--directory', directory]
    await logIn(where)
    const tokens = await tokenSource({ type: 'none' }, { url: fhir, directory, name: 'client' })
    const first = await tokens?.getToken({ url: fhir })
    if (first === undefined) throw new Error('nobody is logged in')
    expect((await agent(['logout', ...where])).code).toBe(0)
    const refused = tokens?.getToken({ url: fhir, rejected: first.value })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    mock.state.approveLogins({ username: 'bob' })
    expect((await logIn(where)).code).toBe(0)
    const next = await tokens?.getToken({ url: fhir, rejected: first.value })
    const headers = { authorization: `Bearer ${next?.value ?? ''}` }
    expect((await fetch(`${fhir}/Patient/p2`, { headers })).status).toBe(200)
  })

  test('says why it failed', async () => {
    const { mock, fhir } = await strictMock()
    mock.state.approveLogins({ username: 'anna', deny: true })
    const { code, events } = await logIn(['--server', fhir, '--directory', await tempDirectory()])
    expect(code).toBe(6)
    expect(events.at(-1)).toMatchObject({ event: 'error', code: 'ERR_AUTHORIZATION_REFUSED' })
  })

  test('keeps nothing in clear', async () => {
    const { mock, fhir } = await strictMock()
    const directory = await tempDirectory()
    vi.stubEnv('FHIR_OUTBOX_SECRETS_KEY', 'ab'.repeat(32))
    await logIn(['--server', fhir, '--directory', directory])
    const folder = join(directory, 'secrets')
    const names = await readdir(folder)
    expect(names).not.toContain('key')
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) {
      const content = await readFile(join(folder, name), 'utf8')
      for (const { token } of mock.state.tokens) expect(content).not.toContain(token)
    }
    vi.unstubAllEnvs()
    const other = await agent(['whoami', '--directory', directory, '--json'])
    expect(other.events().at(-1)).toMatchObject({ event: 'error', code: 'ERR_CREDENTIALS_UNREADABLE' })
    expect(other.code).toBe(4)
  })
})

describe('register', () => {
  test('registers once, shows it, and forgets it', async () => {
    const { mock, fhir } = await strictMock()
    const directory = await tempDirectory()
    const where = ['--server', fhir, '--directory', directory, '--json']
    const first = await agent(['register', ...where, '--scope', 'system/Observation.c'])
    expect(first.code).toBe(0)
    const [registered] = first.events()
    expect(registered).toMatchObject({ event: 'registered', server: fhir, scope: 'system/Observation.c' })
    expect((await agent(['register', ...where])).events()[0]?.['clientId']).toBe(registered?.['clientId'])
    const who = await agent(['whoami', '--directory', directory, '--json'])
    expect(who.events()).toEqual([
      expect.objectContaining({ event: 'client', clientId: registered?.['clientId'], confirmed: true }),
    ])
    const { code } = await agent(['send', '-', '--register', '--server', fhir, '--directory', directory], {
      stdin: resource,
    })
    expect(code).toBe(0)
    const forgotten = await agent(['register', '--forget', ...where])
    expect(forgotten.events()).toEqual([{ event: 'forgotten', server: fhir, registration: 'deleted' }])
    expect(mock.state.clients.some(({ clientId }) => clientId === registered?.['clientId'])).toBe(false)
  })

  test('does not touch a client that a person has registered', async () => {
    const { fhir } = await strictMock()
    const env = { FHIR_OUTBOX_CLIENT_ID: 'mine', FHIR_OUTBOX_CLIENT_SECRET: 's' }
    const { code, stderr } = await agent(
      ['register', '--server', fhir, '--directory', await tempDirectory()],
      { env },
    )
    expect(code).toBe(2)
    expect(stderr).toContain('registered already')
  })
})
