import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { dropFile } from '../src/drop-folder.js'
import { agent, startDaemon, type Result } from './support/agent.js'
import { closedPort, startMock, type Mock } from './support/mock.js'
import { reading } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

/** Stands in patient data, secrets and file contents; must be seen nowhere. */
const marker = 'MARKER-7f3a'
const secret = `secret-${marker}`
const resource = { resourceType: 'Patient', name: [{ family: marker }] }

function expectSilent({ stdout, stderr }: Pick<Result, 'stdout' | 'stderr'>): void {
  expect(stdout + stderr).not.toContain(marker)
  expect(stdout + stderr).not.toContain(Buffer.from(marker).toString('base64').slice(0, 12))
}

/** Every token and client secret that the mock has given out. */
function expectNoToken({ stdout, stderr }: Pick<Result, 'stdout' | 'stderr'>, { mock }: Mock): void {
  expect(mock.state.tokens.length).toBeGreaterThan(0)
  for (const { token } of mock.state.tokens) expect(stdout + stderr).not.toContain(token)
}

describe('nothing of the content is said when', () => {
  test.each<[string, string]>([
    ['it is no JSON', `{"resourceType":"Patient","name":${marker}}`],
    ['a line is no JSON', `{"resourceType":"Basic"}\n{"a":"${marker}"\n`],
    ['it is a list', JSON.stringify([resource])],
    ['it has no type', JSON.stringify({ name: marker })],
    ['its id is none', JSON.stringify({ ...resource, id: `${marker}/?` })],
    ['a reading has a wrong value', JSON.stringify({ ...reading(), time: { quality: marker } })],
    [
      'a reading has a wrong number',
      JSON.stringify({ ...reading(), measurements: [{ type: 'pulse-rate', value: marker, unit: '/min' }] }),
    ],
    [
      'a transaction is wrong',
      JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry: [{ resource }] }),
    ],
    [
      'a collection is wrong',
      JSON.stringify({ resourceType: 'Bundle', type: 'collection', entry: [resource] }),
    ],
  ])('%s', async (_name, stdin) => {
    const args = ['--server', 'http://127.0.0.1:9/fhir', '--directory', await tempDirectory()]
    for (const json of [[], ['--json']]) {
      const result = await agent(['send', '-', ...args, ...json], { stdin })
      expect(result.code).toBe(3)
      expectSilent(result)
    }
  })

  test('the server is down', async () => {
    const { fhir } = await closedPort()
    const args = ['--server', fhir, '--directory', await tempDirectory()]
    const stdin = JSON.stringify(resource)
    expectSilent(await agent(['send', '-', ...args], { stdin }))
    expectSilent(await agent(['flush', '--json', ...args]))
    expectSilent(await agent(['list', '--json', ...args.slice(2)]))
    expectSilent(await agent(['status', '--json', ...args.slice(2)]))
  })

  test('the secret is wrong', async () => {
    const { fhir } = await startMock({})
    const args = ['--server', fhir, '--directory', await tempDirectory(), '--client-id', 'me']
    const env = { FHIR_OUTBOX_CLIENT_SECRET: secret }
    for (const json of [[], ['--json']]) {
      const result = await agent(['send', '-', ...args, ...json], { stdin: JSON.stringify(resource), env })
      expect(result.code).toBe(6)
      expectSilent(result)
    }
  })

  test('the server refuses the token that it gave', async () => {
    const around = await startMock({})
    around.mock.state.addClient({ clientId: 'me', secret })
    around.mock.faults.add({ url: '/fhir/Patient', times: 9, fault: { kind: 'status', status: 401 } })
    const result = await agent(
      ['send', '-', '--server', around.fhir, '--directory', await tempDirectory(), '--client-id', 'me'],
      { stdin: JSON.stringify(resource), env: { FHIR_OUTBOX_CLIENT_SECRET: secret } },
    )
    expect(result.code).toBe(6)
    expectSilent(result)
    expectNoToken(result, around)
  })

  test('settings hold a secret in the wrong place', async () => {
    const directory = await tempDirectory()
    const file = join(directory, 'config.json')
    const server = 'https://fhir.example.org'
    for (const config of [
      { server, auth: marker },
      { server, auth: { type: marker } },
      { server, auth: { type: 'client-credentials', clientId: 'me', clientSecret: marker } },
      { server: `https://me:${marker}@fhir.example.org` },
      { server: `https://fhir.example.org/?key=${marker}` },
    ]) {
      await writeFile(file, JSON.stringify(config))
      const result = await agent(['send', '-', '--config', file], { stdin: JSON.stringify(resource) })
      expect(result.code).toBe(2)
      expectSilent(result)
    }
  })
})

test('run logs neither content nor secrets nor tokens, whatever goes wrong', async () => {
  const around = await startMock({})
  const { mock, fhir } = around
  mock.state.addClient({ clientId: 'me', secret })
  const outcome = (text: string): string =>
    JSON.stringify({ resourceType: 'OperationOutcome', issue: [{ code: 'value', diagnostics: text }] })
  const refuse = { status: 422, headers: { 'content-type': 'application/fhir+json' }, body: outcome(marker) }
  // One reply is lost, one is an error of the server, one resource is refused with its own words.
  mock.faults.add({ method: 'POST', url: '/fhir/Patient', fault: { kind: 'cut-after' } })
  mock.faults.add({ method: 'POST', url: '/fhir/Basic', fault: { kind: 'status', ...refuse } })
  mock.faults.add({ method: 'POST', url: '/fhir/Group', fault: { kind: 'status', ...refuse, status: 503 } })
  const directory = await tempDirectory()
  const drop = join(directory, 'drop')
  for (const content of [
    JSON.stringify(resource),
    `{"resourceType":"Patient","name":${marker}}`,
    JSON.stringify({ resourceType: 'Basic', code: { text: marker } }),
    JSON.stringify({ resourceType: 'Group', name: marker }),
    JSON.stringify({ resourceType: 'Flag', code: { text: marker } }),
  ])
    await dropFile(drop, content)
  const daemon = startDaemon(['--server', fhir, '--directory', directory, '--client-id', 'me'], {
    env: { FHIR_OUTBOX_CLIENT_SECRET: secret },
  })
  await daemon.event(({ event, sequence }) => event === 'delivered' && sequence === 4)
  expect(await daemon.stop()).toBe(0)

  const said = { stdout: daemon.stdout(), stderr: daemon.stderr() }
  for (const word of ['"unknown"', 'rejected', 'closed', 'file-refused', 'delivered']) {
    expect(said.stdout + said.stderr).toContain(word)
  }
  expectSilent(said)
  expectNoToken(said, around)
  // The reason beside the refused file has no content either.
  const reasons = (await readdir(join(drop, 'refused'))).filter((name) => name.endsWith('.txt'))
  expect(reasons).toHaveLength(1)
  for (const name of reasons)
    expect(await readFile(join(drop, 'refused', name), 'utf8')).not.toContain(marker)
})

test('the scan would find it: what the server says about a refused entry is shown by send', async () => {
  const { mock, fhir } = await startMock()
  const body = JSON.stringify({
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'error', code: 'value', diagnostics: `not ${marker}` }],
  })
  mock.faults.add({
    url: '/fhir/Patient',
    fault: { kind: 'status', status: 422, headers: { 'content-type': 'application/fhir+json' }, body },
  })
  const { code, stdout } = await agent(
    ['send', '-', '--server', fhir, '--directory', await tempDirectory()],
    { stdin: JSON.stringify(resource) },
  )
  expect(code).toBe(8)
  expect(stdout).toContain(marker)
})
