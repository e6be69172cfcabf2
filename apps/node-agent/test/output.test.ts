import { readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { mock } from '../src/commands/mock.js'
import { exitCodes, exitCodeTexts } from '../src/exit-codes.js'
import { agent, counters } from './support/agent.js'
import { closedPort, startMock } from './support/mock.js'
import { collection, observation, patient } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

const stdin = JSON.stringify(collection(observation('one'), observation('two')))

describe('send', () => {
  test('with the server down everything is accepted, and 0 says so', async () => {
    const { fhir } = await closedPort()
    const directory = await tempDirectory()
    const { code, stdout, stderr } = await agent(['send', '-', '--server', fhir, '--directory', directory], {
      stdin,
    })
    expect(stdout).toBe('2 accepted\n0 delivered, 2 waiting\n')
    expect(stderr).toMatch(/^Waiting because: .+ \(ERR_CONNECT\)\n {2}Nobody answers at that address: .+\n$/)
    expect(code).toBe(0)
  })

  test('what waits from before is delivered when it is sent again', async () => {
    const { fhir, open } = await closedPort()
    const args = ['send', '-', '--server', fhir, '--directory', await tempDirectory()]
    expect(await agent(args, { stdin })).toMatchObject({ code: 0 })
    const mock = await open()
    expect(await agent(args, { stdin })).toMatchObject({
      code: 0,
      stdout: '0 accepted, 2 known from before\n2 delivered\n',
    })
    expect(mock.state.resources('Observation')).toHaveLength(2)
  })

  test('--wait 0 only accepts', async () => {
    const { mock, fhir } = await startMock()
    const args = ['--server', fhir, '--directory', await tempDirectory()]
    const { code, stdout } = await agent(['send', '-', '--wait', '0', ...args], { stdin })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^2 accepted\n\d delivered/)
    // A wait of many years is no wait of none.
    expect(await agent(['flush', '--wait', '999999999', ...args])).toMatchObject({ code: 0 })
    expect(mock.state.resources('Observation')).toHaveLength(2)
  })

  test('what the server refuses is a dead letter and exit 8', async () => {
    const { mock, fhir } = await startMock()
    const directory = await tempDirectory()
    const outcome = {
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'error', code: 'invariant', diagnostics: 'Code is required.' }],
    }
    mock.faults.add({
      method: 'POST',
      url: '/fhir/Observation',
      fault: {
        kind: 'status',
        status: 422,
        headers: { 'content-type': 'application/fhir+json' },
        body: JSON.stringify(outcome),
      },
    })
    const { code, stdout } = await agent(['send', '-', '--server', fhir, '--directory', directory], { stdin })
    expect(code).toBe(8)
    expect(stdout).toMatch(
      /^2 accepted\nentry 1 was refused: .*422.* Code is required\.\n1 delivered, 1 refused and kept as dead letters\n$/,
    )
    expect(await counters(directory)).toMatchObject({ accepted: 2, delivered: 1, dead: 1, waiting: 0 })
    const listed = await agent(['list', '--state', 'dead', '--directory', directory])
    expect(listed.stdout).toMatch(/^1 {2}dead {7}POST \/Observation .* ERR_HTTP\n$/)
  })

  test('--json tells the same as events', async () => {
    const { fhir } = await startMock()
    const { events } = await agent(
      ['send', '-', '--json', '--server', fhir, '--directory', await tempDirectory()],
      { stdin },
    )
    expect(events()).toEqual([
      { event: 'accepted', accepted: 2, known: 0 },
      { event: 'summary', delivered: 2, waiting: 0, rejected: 0 },
    ])
  })
})

describe('flush', () => {
  test('exit 7 while something waits, 0 when nothing does', async () => {
    const { fhir, open } = await closedPort()
    const args = ['--server', fhir, '--directory', await tempDirectory()]
    await agent(['send', '-', ...args], { stdin })
    const early = await agent(['flush', ...args])
    expect(early.stdout).toBe('0 delivered, 2 waiting\n')
    expect(early.code).toBe(7)
    const inJson = await agent(['flush', '--json', ...args])
    expect(inJson.events()).toEqual([
      {
        event: 'summary',
        delivered: 0,
        waiting: 2,
        rejected: 0,
        blockedBy: expect.objectContaining({ code: 'ERR_CONNECT' }),
      },
    ])
    await open()
    expect(await agent(['flush', ...args])).toMatchObject({ code: 0, stdout: '2 delivered\n' })
    expect(await agent(['flush', ...args])).toMatchObject({ code: 0, stdout: '0 delivered\n' })
  })

  test('settings come from the environment too', async () => {
    const { mock, fhir } = await startMock({})
    mock.state.addClient({ clientId: 'me', secret: 'secret' })
    const env = {
      FHIR_OUTBOX_SERVER: fhir,
      FHIR_OUTBOX_DIRECTORY: await tempDirectory(),
      FHIR_OUTBOX_CLIENT_ID: 'me',
      FHIR_OUTBOX_CLIENT_SECRET: 'secret',
      FHIR_OUTBOX_SCOPE: 'system/Observation.c',
    }
    expect(await agent(['send', '-'], { stdin, env })).toMatchObject({ code: 0 })
    expect(mock.state.tokens).toMatchObject([{ scope: 'system/Observation.c' }])
    expect(mock.state.resources('Observation')).toHaveLength(2)
  })
})

describe('list and status', () => {
  test('of an empty queue', async () => {
    const directory = await tempDirectory()
    expect(await agent(['list', '--directory', directory])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'No entries.\n',
    })
    const args = ['--server', 'http://127.0.0.1:9', '--directory', directory]
    expect(await agent(['flush', ...args])).toMatchObject({ code: 0, stdout: '0 delivered\n' })
    const { code, stdout } = await agent(['status', '--directory', directory])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^.+ \(accepted means safe from (power-loss|process-crash)\)\n0 accepted\n {2}0 waiting\n/,
    )
  })

  test('of a queue with something in it', async () => {
    const { fhir, open } = await closedPort()
    const directory = await tempDirectory()
    const args = ['--server', fhir, '--directory', directory]
    await agent(['send', '-', ...args], { stdin })
    await open()
    await agent(['flush', ...args])
    const other = await closedPort()
    await agent(['send', '-', '--server', other.fhir, '--directory', directory], {
      stdin: JSON.stringify({ ...patient, id: 'p1' }),
    })
    const status = await agent(['status', '--directory', directory])
    expect(status.stdout).toContain(
      '3 accepted\n  1 waiting\n  2 delivered\n  0 dead letters\n  0 discarded\n',
    )

    const all = await agent(['list', '--directory', directory])
    const lines = all.stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatch(/^1 {2}delivered {2}POST \/Observation .*Observation\/[0-9a-f-]+$/)
    expect(lines[2]).toMatch(/^3 {2}waiting {4}PUT \/Patient\/p1 +\d+ s {2}ERR_CONNECT$/)
    const one = await agent(['list', '--limit', '1', '--state', 'delivered', '--directory', directory])
    expect(one.stdout).toMatch(/^1 {2}delivered .*\n$/)
    const none = await agent(['list', '--limit', '0', '--directory', directory])
    expect(none.stdout).toBe('')
    const json = await agent(['list', '--state', 'waiting', '--json', '--directory', directory])
    expect(json.events()).toMatchObject([
      { event: 'entry', sequence: 3, state: 'waiting', method: 'PUT', path: '/Patient/p1' },
    ])
  })

  test('--directory from a config file is relative to that file', async () => {
    const base = await tempDirectory()
    await writeFile(join(base, 'c.json'), JSON.stringify({ directory: 'there' }))
    const { stdout } = await agent(['status', '--config', join(base, 'c.json')])
    expect(stdout).toContain(`${join(base, 'there')}:`)
  })
})

function open() {
  const out = new PassThrough({ encoding: 'utf8' })
  const err = new PassThrough({ encoding: 'utf8' })
  let printed = ''
  out.on('data', (part: string) => (printed += part))
  return { console: { out, err, json: false }, printed: () => printed }
}

test('mock serves until it is told to stop, and then leaves nothing open', async () => {
  const { console, printed } = open()
  const stop = new AbortController()
  const ended = mock(['--port', '0', '--open'], console, stop.signal)
  await vi.waitFor(() => expect(printed()).toMatch(/FHIR R4 base/), { timeout: 15_000 })
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

test('mock helps without serving, and refuses what it does not know', async () => {
  const { console, printed } = open()
  const never = new AbortController().signal
  expect(await mock(['--help'], console, never)).toBe(exitCodes.ok)
  expect(printed()).toContain('--profile <name>')
  await expect(mock(['--profile', 'kind'], console, never)).rejects.toMatchObject({
    code: 'ERR_MOCK_OPTIONS',
  })
})

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
const [reading, config] = [...readme.matchAll(/```json\n(.*?)```/gs)].map(([, text]) => text ?? '')

test('the exit codes of the README are those of the command', () => {
  const rows = [...readme.matchAll(/^\| (\d) +\| (.*?) +\|$/gm)].map(([, code, text]) => [code, text])
  expect(Object.fromEntries(rows)).toEqual(exitCodeTexts)
})

test('the reading of the README is delivered', async () => {
  const { mock, fhir } = await startMock()
  const { code } = await agent(['send', '-', '--server', fhir, '--directory', await tempDirectory()], {
    stdin: reading ?? '',
  })
  expect(code).toBe(0)
  expect(mock.state.resources('Observation')).toHaveLength(2)
})

test('the config file of the README is understood', async () => {
  const directory = await tempDirectory()
  await writeFile(join(directory, 'config.json'), config ?? '')
  const { code, stderr } = await agent(
    ['send', '-', '--dry-run', '--config', join(directory, 'config.json')],
    {
      stdin: reading ?? '',
    },
  )
  // Every setting is known; the first thing that is missing is the key.
  expect(stderr).toContain(
    `The file with the private key, ${join(directory, 'gateway-7.jwk.json')}, cannot be read: there is no such file.`,
  )
  expect(code).toBe(2)
})
