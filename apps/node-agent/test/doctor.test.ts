import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { agent, startDaemon, type Result } from './support/agent.js'
import { closedPort, startMock } from './support/mock.js'
import { collection, observation } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

test('tells what the server can do and what follows, without writing anything', async () => {
  const { mock, fhir } = await startMock()
  const told = await agent([
    'doctor',
    '--server',
    fhir,
    '--directory',
    await tempDirectory(),
    '--types',
    'Observation',
  ])
  expect(told.code).toBe(0)
  expect(told.stdout).toMatch(/Statement: {2}read/)
  expect(told.stdout).toMatch(/Observation: +conditional-create \(once\)\. The server says/)
  expect(mock.state.commits).toHaveLength(0)
})

test('tries the server out when asked, leaves nothing there, and speaks JSON', async () => {
  const { mock, fhir } = await startMock()
  const directory = await tempDirectory()
  const told = await agent(['doctor', '--server', fhir, '--directory', directory, '--try', '--json'])
  expect(told.code).toBe(0)
  expect(JSON.parse(told.stdout)).toMatchObject({
    event: 'diagnosis',
    evidence: {
      canaries: { conditionalCreate: true, clientIds: true, ifNoneMatch: true, transaction: true },
    },
    types: { Observation: { name: 'put-if-none-match', guarantee: 'once' } },
    bundling: { transactions: true },
  })
  expect(mock.state.resources('Basic')).toHaveLength(0)
})

describe('granted scopes', () => {
  const secret = 'made up'
  const env = { FHIR_OUTBOX_CLIENT_SECRET: secret }

  test('that only allow to create lead to another plan, and the doctor says why', async () => {
    const { mock, fhir } = await startMock({ profiles: { fhir: { like: 'careless' } } })
    mock.state.addClient({ clientId: 'gateway', secret, scope: 'system/*.cruds' })
    mock.state.addClient({ clientId: 'writer', secret, scope: 'system/*.c' })
    const diagnosis = async (clientId: string, ...more: string[]): Promise<Result> =>
      agent(
        [
          'doctor',
          '--server',
          fhir,
          '--directory',
          await tempDirectory(),
          '--types',
          'Observation',
          '--client-id',
          clientId,
          ...more,
        ],
        { env },
      )
    expect((await diagnosis('gateway', '--json')).events()).toMatchObject([
      { evidence: { scopes: 'system/*.cruds' }, types: { Observation: { name: 'put-client-id' } } },
    ])
    const told = await diagnosis('writer')
    expect(told.code).toBe(0)
    expect(told.stdout).toMatch(/Scopes: +system\/\*\.c$/m)
    expect(told.stdout).toMatch(
      /Observation: +at-least-once \(once-or-parked\)\. The server honours no condition and cannot be asked/,
    )
  })

  test('that exclude a type keep its entries waiting, without a request', async () => {
    const { mock, fhir } = await startMock({})
    mock.state.addClient({ clientId: 'gateway', secret, scope: 'system/Patient.cruds' })
    const directory = await tempDirectory()
    const place = ['--server', fhir, '--directory', directory, '--client-id', 'gateway']
    const stdin = JSON.stringify(observation('fine'))
    const sent = await agent(['send', '-', ...place], { stdin, env })
    expect(sent.stdout).toBe('1 accepted\n0 delivered, 1 waiting\n')
    expect(sent.stderr).toContain('The granted scopes do not allow to create Observation.')
    expect(mock.log.filter(({ method, url }) => method === 'POST' && url.startsWith('/fhir'))).toEqual([])
    const { stdout } = await agent(['explain', '1', '--directory', directory])
    expect(stdout).toContain('It is not sent: The granted scopes do not allow to create Observation.')

    // Nobody else waits for it for ever: a person can take it back.
    const withdraw = ['withdraw', '1', '--reason', 'no scope for it', '--directory', directory]
    expect(await agent(withdraw)).toMatchObject({ code: 0, stdout: '1 withdrawn\n' })
    expect(await agent(['flush', ...place], { env })).toMatchObject({ code: 0, stdout: '0 delivered\n' })
  })
})

describe('a queue', () => {
  test('that has learned something about the server tells it, and nothing in it is changed', async () => {
    const { mock, fhir } = await startMock()
    const home = await tempDirectory()
    const config = join(home, 'config.json')
    await writeFile(config, JSON.stringify({ server: fhir, directory: '.', transactions: 'trusted' }))
    // The first Bundle is too large for it; then it takes what comes.
    mock.faults.add({ method: 'POST', url: /^\/fhir\/?$/, fault: { kind: 'status', status: 413 } })
    const resources = Array.from({ length: 8 }, (_, n) => observation(`${n}`))
    const before = await agent(['doctor', '--config', config])
    expect(before.stdout).toContain(`Queue:      none yet in ${join(home, 'queue')}`)
    expect(await readdir(home)).toEqual(['config.json'])
    const sent = await agent(['send', '-', '--config', config], {
      stdin: JSON.stringify(collection(...resources)),
    })
    expect(sent.stdout).toContain('8 delivered')
    // One that travels alone is looked for afterwards.
    await agent(['send', '-', '--config', config], { stdin: JSON.stringify(observation('alone')) })

    const twice = [await agent(['doctor', '--config', config]), await agent(['doctor', '--config', config])]
    for (const { code, stdout } of twice) {
      expect(code).toBe(0)
      expect(stdout).toMatch(/Learned: a Bundle may have at most \d+ bytes\./)
      expect(stdout).toContain('Learned: Observation is found by our key, is found at once.')
      expect(stdout).toContain('that it takes transactions, and is trusted.')
    }
    const json = await agent(['doctor', '--json', '--config', config])
    expect(json.events()).toMatchObject([
      {
        event: 'diagnosis',
        queue: { state: 'read', evidence: { learned: { bytes: expect.any(Number) } } },
        bundling: { transactions: true },
      },
    ])
  })

  test('that tries servers out keeps its findings, and the doctor goes by them', async () => {
    const { mock, fhir } = await startMock()
    const home = await tempDirectory()
    const config = join(home, 'config.json')
    const canaries = { type: 'Flag', content: { status: 'inactive', code: { text: 'a trial' } } }
    await writeFile(config, JSON.stringify({ server: fhir, directory: '.', canaries }))
    expect((await agent(['doctor', '--config', config])).stdout).toContain('conditional-create')
    await agent(['send', '-', '--config', config], { stdin: JSON.stringify(observation('fine')) })
    expect(mock.state.commits.map(({ type }) => type)).toContain('Flag')
    expect(mock.state.resources().map(({ resourceType }) => resourceType)).toEqual(['Observation'])
    const { stdout } = await agent(['doctor', '--config', config])
    expect(stdout).toMatch(/Tried out: +by the queue, 20/)
    expect(stdout).toMatch(/Observation: +put-if-none-match \(once\)/)
  })

  test('stands in for a server that does not answer', async () => {
    const { fhir, open } = await closedPort()
    const args = ['--server', fhir, '--directory', await tempDirectory(), '--types', 'Observation']
    const silent = await agent(['doctor', ...args])
    expect(silent.stdout).toContain('Statement:  the server does not answer now (ERR_CONNECT).')
    const mock = await open()
    await agent(['send', '-', ...args.slice(0, 4)], { stdin: JSON.stringify(observation('fine')) })
    mock.faults.add({ url: '/fhir/metadata', fault: { kind: 'status', status: 503 } })
    const told = await agent(['doctor', ...args])
    expect(told.stdout).toMatch(/Statement: .*503\); what the queue knows is used/)
    expect(told.stdout).toContain('FHIR Outbox mock server')
    expect(told.stdout).toMatch(/Observation: +conditional-create \(once\)/)
  })

  test('is read beside the process that owns it', async () => {
    const { fhir } = await startMock()
    const args = ['--server', fhir, '--directory', await tempDirectory()]
    await agent(['send', '-', ...args], { stdin: JSON.stringify(observation('fine')) })
    const owner = startDaemon(args)
    await owner.event(({ event }) => event === 'opened')
    const { code, stdout } = await agent(['doctor', ...args])
    expect(code).toBe(0)
    expect(stdout).toContain('last asked this server at 20')
  })

  test('that is sealed is read with its key, also beside its owner, and without the key that is said', async () => {
    const { fhir } = await startMock()
    const home = await tempDirectory()
    const [config, unsealed] = [join(home, 'config.json'), join(home, 'unsealed.json')]
    const sealing = { keyId: 'k1', keyFile: 'records.key' }
    await agent(['keys', 'generate', '--records', join(home, 'records.key')])
    await writeFile(config, JSON.stringify({ server: fhir, directory: 'home', sealing }))
    await writeFile(unsealed, JSON.stringify({ server: fhir, directory: 'home' }))
    await mkdir(join(home, 'home', 'queue'), { recursive: true })
    expect((await agent(['doctor', '--config', config])).stdout).toContain('knows nothing of this server yet')
    expect(await readdir(join(home, 'home', 'queue'))).toEqual([])
    await agent(['send', '-', '--config', config], { stdin: JSON.stringify(observation('fine')) })
    const owner = startDaemon(['--config', config])
    await owner.event(({ event }) => event === 'opened')
    const told = await agent(['doctor', '--config', config])
    expect(told.code).toBe(0)
    expect(told.stdout).toContain('last asked this server at 20')
    expect(told.stdout).toContain('Learned: Observation is found by our key, is found at once.')
    const withoutKey = await agent(['doctor', '--config', unsealed])
    expect(withoutKey.code).toBe(0)
    expect(withoutKey.stdout).toContain(`${join(home, 'home', 'queue')} is sealed: `)
    expect(withoutKey.stdout).not.toContain('knows nothing')
  })

  test('that is not sealed is not read as if it were', async () => {
    const { fhir } = await startMock()
    const home = await tempDirectory()
    const config = join(home, 'config.json')
    const sealing = { keyId: 'k1', keyFile: 'records.key' }
    await agent(['keys', 'generate', '--records', join(home, 'records.key')])
    await writeFile(config, JSON.stringify({ server: fhir, directory: '.', sealing }))
    await agent(['send', '-', '--server', fhir, '--directory', home], {
      stdin: JSON.stringify(observation('fine')),
    })
    const { code, stdout } = await agent(['doctor', '--config', config])
    expect(code).toBe(4)
    expect(stdout).toMatch(/Queue: .* cannot be read: .*not sealed/)
  })

  test('that cannot be opened is no reason to say nothing else', async () => {
    const { fhir } = await startMock()
    const home = await tempDirectory()
    await writeFile(join(home, 'queue'), '')
    const { code, stdout, stderr } = await agent(['doctor', '--server', fhir, '--directory', home])
    expect(code).toBe(4)
    expect(stdout).toMatch(/Statement: +read/)
    expect(stdout).toMatch(/Queue: .* cannot be read: /)
    expect(stderr).toContain(join(home, 'queue'))
  })
})

test('credentials that do not work are told after the rest', async () => {
  const { fhir } = await startMock({})
  const { code, stdout, stderr } = await agent(
    ['doctor', '--server', fhir, '--directory', await tempDirectory(), '--client-id', 'nobody'],
    { env: { FHIR_OUTBOX_CLIENT_SECRET: 'wrong' } },
  )
  expect(code).toBe(6)
  expect(stdout).toMatch(/Statement: +read/)
  expect(stdout).toMatch(/Scopes: +not told/)
  expect(stderr).not.toBe('')
})

test('what is encrypted has a plan of its own', async () => {
  const { url, fhir } = await startMock()
  const home = await tempDirectory()
  const config = join(home, 'config.json')
  const encryption = { url: `${url}/c3pro/encfhir`, certificate: 'none.pem', keyId: 'k', types: ['Patient'] }
  await writeFile(config, JSON.stringify({ server: fhir, directory: '.', encryption }))
  const { stdout } = await agent(['doctor', '--config', config, '--types', 'Patient,Observation'])
  expect(stdout).toMatch(/Patient: +at-least-once \(may-duplicate\)\. The receiver behind the encrypted/)
  expect(stdout).toMatch(/Observation: +conditional-create/)
})

test('explain says how an entry travelled and where it is', async () => {
  const { fhir } = await startMock()
  const directory = await tempDirectory()
  await agent(['send', '-', '--server', fhir, '--directory', directory], {
    stdin: JSON.stringify(observation('fine')),
  })
  const { stdout } = await agent(['explain', '1', '--directory', directory])
  expect(stdout).toMatch(/How: {4}It travelled under the plan conditional-create\./)
  expect(stdout).toMatch(/The server has it as Observation\/[^,]+, version 1\./)
})

describe('a server that is not there', () => {
  test('is named as such, as deliveries meet it, and ends with 9', async () => {
    const { fhir } = await closedPort()
    const told = await agent(['doctor', '--server', fhir, '--directory', await tempDirectory()])
    expect(told.code).toBe(9)
    expect(told.stdout).toContain(
      'Statement:  the server does not answer now (ERR_CONNECT). Nobody answers at that address',
    )
  })

  // fetch refuses that port, deliveries do not.
  test('also where fetch would not go', async () => {
    const place = ['--server', 'http://127.0.0.1:9/fhir', '--directory', await tempDirectory()]
    expect((await agent(['doctor', ...place])).stdout).toContain('does not answer now (ERR_CONNECT)')
  })

  test.each(['register', 'login'])('%s ends with 9, for it can be tried again', async (command) => {
    const { fhir } = await closedPort()
    const told = await agent([command, '--server', fhir, '--directory', await tempDirectory(), '--json'])
    expect(told).toMatchObject({ code: 9 })
    expect(told.events()).toMatchObject([{ event: 'error', code: 'ERR_AUTH_UNREACHABLE' }])
  })
})

test.each(['patient', 'Patient,,Observation', ''])('--types %j is refused', async (types) => {
  const told = await agent(['doctor', '--server', 'http://127.0.0.1:9/fhir', '--types', types])
  expect(told.code).toBe(2)
  expect(told.stderr).toContain('is not the name of a resource type, such as Observation.')
})
