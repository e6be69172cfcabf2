import { existsSync, readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { agent, counters } from './support/agent.js'
import { expectExactly, expectFile, resourcesIn } from './support/judge.js'
import { startMock } from './support/mock.js'
import { reading } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

const data = fileURLToPath(new URL('../../../../shared/data/', import.meta.url))
const present = existsSync(data)
if (!present) console.warn(`The files of real projects are not tested: there is no folder ${data}.`)

/** The files hold members and types that a strict server refuses; what is tested here is that they arrive as they are. */
const lenient = { open: true, profiles: { fhir: { validation: 'format' } } } as const

function filesOf(folder: string): readonly string[] {
  return present ? readdirSync(join(data, folder)).map((name) => join(folder, name)) : []
}

/** Sends a file twice; the server must hold its resources after the first time and nothing more after the second. */
async function sendTwice(path: string): Promise<Awaited<ReturnType<typeof startMock>>['mock']> {
  const { mock, fhir } = await startMock(lenient)
  const directory = await tempDirectory()
  const args = ['send', path, '--server', fhir, '--directory', directory]
  const first = await agent(args)
  expect(first).toMatchObject({ code: 0, stdout: '1 accepted\n1 delivered\n', stderr: '' })
  const commits = mock.state.commits.length
  const second = await agent(args)
  expect(second).toMatchObject({ code: 0, stdout: '0 accepted, 1 known from before\n0 delivered\n' })
  expect(mock.state.commits).toHaveLength(commits)

  // Also from another machine, which does not remember anything: what has a key or a condition is found again.
  const elsewhere = await agent([...args.slice(0, -1), await tempDirectory()])
  expect(elsewhere).toMatchObject({ code: 0, stdout: '1 accepted\n1 delivered\n' })
  return mock
}

describe.skipIf(!present)('files of real projects arrive unchanged', () => {
  const files = [...filesOf('synthea'), ...filesOf('phd-ig'), ...filesOf('c3-pro')]

  test.each(files.filter((name) => name !== join('c3-pro', 'app.json')))('%s', async (name) => {
    const { mock, fhir } = await startMock(lenient)
    const args = ['send', join(data, name), '--server', fhir, '--directory', await tempDirectory()]
    const first = await agent(args)
    expect(first).toMatchObject({ code: 0, stdout: '1 accepted\n1 delivered\n', stderr: '' })
    await expectFile(mock, join(data, name))
    const commits = mock.state.commits.length
    const second = await agent(args)
    expect(second).toMatchObject({ code: 0, stdout: '0 accepted, 1 known from before\n0 delivered\n' })
    expect(mock.state.commits).toHaveLength(commits)
  })

  test('c3-pro/app.json is a registration and no resource: refused', async () => {
    const { mock, fhir } = await startMock(lenient)
    const directory = await tempDirectory()
    const file = join(data, 'c3-pro', 'app.json')
    const { code, stdout, stderr } = await agent(['send', file, '--server', fhir, '--directory', directory])
    expect(code).toBe(3)
    expect(stdout).toBe('')
    expect(stderr).toContain(`${file} is no FHIR resource: it has no resourceType.`)
    expect(stderr).not.toContain('MIIS')
    expect(mock.log).toEqual([])
    expect(await counters(directory)).toMatchObject({ accepted: 0 })
  })

  test('all of them in one command', async () => {
    const { mock, fhir } = await startMock(lenient)
    const all = files.filter((name) => name !== join('c3-pro', 'app.json')).map((name) => join(data, name))
    const args = ['send', ...all, '--server', fhir, '--directory', await tempDirectory()]
    const { code, stdout } = await agent(args)
    expect(stdout).toBe(`${all.length} accepted\n${all.length} delivered\n`)
    expect(code).toBe(0)
    const sent = await Promise.all(all.map(async (path) => resourcesIn(await readFile(path, 'utf8'))))
    expect(mock.state.commits.map(({ type }) => type)).toEqual(
      sent.flat().map(({ resource }) => resource['resourceType']),
    )
  })
})

/** The outcomes that the README states for "Defects of the guide's examples". */
describe.skipIf(!present)('defects of the device guide, sent as they are', () => {
  const guide = (name: string): string => join(data, 'phd-ig', name)
  const json = async (name: string): Promise<Record<string, unknown>> =>
    JSON.parse(await readFile(guide(name), 'utf8')) as Record<string, unknown>

  test('identifiers with calendar time (3), unit texts (7), ids (8) and a foreign type part (13) stay', async () => {
    const mock = await sendTwice(guide('numeric-spotnumeric.json'))
    const text = JSON.stringify(mock.state.get('Observation', 'numeric-spotnumeric'))
    expect(text).toContain('20181113175903.00')
    expect(text).toContain('"{beat}/min}"')

    const alarm = await sendTwice(guide('numeric-spo2-alarm.json'))
    const stored = JSON.stringify(alarm.state.get('Observation', 'numeric-spo2-alarm'))
    expect(stored).toContain('"150456"')
    expect(stored).toContain('-149530-20181113175902.00-150588')

    const temperature = await sendTwice(guide('temperature-observation.json'))
    expect(temperature.state.get('Observation', 'temperature-observation')).toMatchObject({
      valueQuantity: { unit: 'C', code: 'Cel' },
    })
  })

  test('a condition that its own resource does not meet (4) doubles the patient, and the plan says so', async () => {
    const { mock, fhir } = await startMock(lenient)
    const file = guide('bundle-example-1.json')
    const preview = await agent([
      'send',
      file,
      '--dry-run',
      '--json',
      '--server',
      fhir,
      '--directory',
      await tempDirectory(),
    ])
    expect(preview.events()).toMatchObject([{ event: 'preview', plan: 'at-least-once' }])

    for (const directory of [await tempDirectory(), await tempDirectory()]) {
      const { code } = await agent(['send', file, '--server', fhir, '--directory', directory])
      expect(code).toBe(0)
    }
    expect(mock.state.resources('Patient')).toHaveLength(2)
    expect(mock.state.resources('Device')).toHaveLength(2)
    expect(mock.state.resources('Observation')).toHaveLength(3)
  })

  test('a POST entry with an id (8) gets another one', async () => {
    const mock = await sendTwice(guide('bundle-example-1.json'))
    expect(mock.state.get('Patient', 'patient-001')).toBeUndefined()
    expect(mock.state.get('Device', 'phd-001')).toBeUndefined()
  })

  test('a System ID in wire order (9) stays: our own reading of that device makes a second Device', async () => {
    const { mock, fhir } = await startMock(lenient)
    const args = ['--server', fhir, '--directory', await tempDirectory()]
    const example = guide('phd-711000FEFF5F49B0.B0495F001071.json')
    expect(await agent(['send', example, ...args])).toMatchObject({ code: 0 })
    const stored = mock.state.get('Device', 'phd-711000FEFF5F49B0.B0495F001071')
    expect(JSON.stringify(stored)).toContain('71-10-00-FE-FF-5F-49-B0')

    const { device, ...rest } = reading()
    const own = { ...rest, device: { ...(device as object), systemId: 'B0-49-5F-FF-FE-00-10-71' } }
    expect(await agent(['send', '-', ...args], { stdin: JSON.stringify(own) })).toMatchObject({ code: 0 })
    const devices = mock.state.resources('Device').map((one) => JSON.stringify(one['identifier']))
    expect(devices.filter((one) => one.includes('71-10-00-FE-FF-5F-49-B0'))).toHaveLength(1)
    expect(devices.filter((one) => one.includes('B0-49-5F-FF-FE-00-10-71'))).toHaveLength(1)
  })

  test('the address of the measurement status system (10) stays', async () => {
    const mock = await sendTwice(guide('numeric-spotnumeric.json'))
    const sent = await json('numeric-spotnumeric.json')
    expect(mock.state.get('Observation', 'numeric-spotnumeric')?.['interpretation']).toEqual(
      sent['interpretation'],
    )
  })

  test('fullUrls like urn:oid:1.0.0.1 (12) are taken, and each entry is created once', async () => {
    const mock = await sendTwice(guide('bundle-continuousnonin.json'))
    expect(mock.state.resources('Observation')).toHaveLength(47)
    expect(mock.state.commits).toHaveLength(47)
  })
})

describe('small inputs of every kind arrive unchanged', () => {
  const urn = (n: number): string => `urn:uuid:00000000-0000-4000-8000-00000000000${n}`
  const post = (url: string): object => ({ request: { method: 'POST', url } })

  const inputs: Readonly<Record<string, object>> = {
    'a resource without id': {
      resourceType: 'Patient',
      active: false,
      multipleBirthInteger: 0,
      name: [{ family: 'é\u2028' }],
    },
    'a resource with an id': { resourceType: 'Device', id: 'cuff.7', serialNumber: '0' },
    'identifiers of its own, one of them a UUID': {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      identifier: [{ system: 'urn:ietf:rfc:3986', value: urn(9) }, { value: 'second' }],
    },
    'a single identifier that is taken': {
      resourceType: 'QuestionnaireResponse',
      status: 'completed',
      identifier: { system: 'urn:oid:2.999', value: '1' },
    },
    'a single identifier that is free': { resourceType: 'QuestionnaireResponse', status: 'completed' },
    'no identifier at all': {
      resourceType: 'Provenance',
      recorded: '2026-01-01T00:00:00Z',
      meta: { tag: [{ code: 'mine' }] },
    },
    'members nobody knows': {
      resourceType: 'Observation',
      decks: 3,
      crew: [{ rank: { of: [1.5, 1e-7] } }],
    },
    'a transaction with references': {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        { fullUrl: urn(1), resource: { resourceType: 'Patient', active: true }, ...post('Patient') },
        {
          fullUrl: urn(2),
          resource: {
            resourceType: 'Observation',
            status: 'final',
            code: { text: 'after' },
            subject: { reference: urn(1) },
            note: [{ text: urn(1) }],
          },
          ...post('Observation'),
        },
        {
          fullUrl: urn(3),
          resource: { resourceType: 'Basic', id: 'fixed', subject: { reference: urn(1) } },
          request: { method: 'PUT', url: 'Basic/fixed' },
        },
      ],
    },
  }

  test.each(Object.entries(inputs))('%s', async (_name, input) => {
    const file = join(await tempDirectory(), 'input.json')
    await writeFile(file, JSON.stringify(input))
    const { mock, fhir } = await startMock(lenient)
    const args = ['send', file, '--server', fhir, '--directory', await tempDirectory()]
    expect(await agent(args)).toMatchObject({ code: 0, stdout: '1 accepted\n1 delivered\n' })
    expectExactly(mock, resourcesIn(JSON.stringify(input)))
    const commits = mock.state.commits.length
    expect(await agent(args)).toMatchObject({ stdout: '0 accepted, 1 known from before\n0 delivered\n' })
    expect(mock.state.commits).toHaveLength(commits)
  })

  test('a type that the server does not have is kept, and explained', async () => {
    const { mock, fhir } = await startMock(lenient)
    const place = ['--directory', await tempDirectory()]
    const stdin = JSON.stringify({ resourceType: 'Spaceship', decks: 3 })
    const sent = await agent(['send', '-', '--server', fhir, '--wait', '1', ...place], { stdin })
    expect(sent).toMatchObject({ code: 0 })
    expect(mock.state.commits).toEqual([])
    const { stdout } = await agent(['explain', '1', ...place])
    expect(stdout).toContain('ERR_UNSUPPORTED')
  })

  test('an ifNoneExist of the file decides, not our key', async () => {
    const { mock, fhir } = await startMock(lenient)
    const identifier = [{ system: 'urn:oid:2.999.4', value: 'cuff-1' }]
    mock.state.load([{ resourceType: 'Device', id: 'known', identifier }])
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          fullUrl: urn(1),
          resource: { resourceType: 'Device', identifier },
          request: { method: 'POST', url: 'Device', ifNoneExist: 'identifier=urn:oid:2.999.4|cuff-1' },
        },
        {
          fullUrl: urn(2),
          resource: {
            resourceType: 'Observation',
            status: 'final',
            code: { text: 'x' },
            device: { reference: urn(1) },
          },
          request: { method: 'POST', url: 'Observation' },
        },
      ],
    }
    const { code } = await agent(['send', '-', '--server', fhir, '--directory', await tempDirectory()], {
      stdin: JSON.stringify(bundle),
    })
    expect(code).toBe(0)
    expect(mock.state.resources('Device')).toEqual([expect.objectContaining({ id: 'known', identifier })])
    expect(mock.state.resources('Observation')).toEqual([
      expect.objectContaining({ device: { reference: 'Device/known' } }),
    ])
  })

  test('with key client-id nothing but the id is added', async () => {
    const directory = await tempDirectory()
    const { mock, fhir } = await startMock(lenient)
    const config = join(directory, 'config.json')
    await writeFile(config, JSON.stringify({ server: fhir, directory: 'home', key: 'client-id' }))
    const input = { resourceType: 'Observation', status: 'final', code: { text: 'x' } }
    expect(await agent(['send', '-', '--config', config], { stdin: JSON.stringify(input) })).toMatchObject({
      code: 0,
    })
    const {
      id,
      meta: _meta,
      ...stored
    }: Record<string, unknown> = {
      ...mock.state.resources('Observation')[0],
    }
    expect(id).toMatch(/^[0-9a-f-]{36}$/)
    expect(stored).toEqual(input)
  })
})
