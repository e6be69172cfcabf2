import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { unitKeys } from '../src/input/keys.js'
import { readUnits } from '../src/input/units.js'
import { agent, counters } from './support/agent.js'
import { startMock } from './support/mock.js'
import { collection, observation, patient, reading, transaction } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

const codes = (resources: readonly Record<string, unknown>[]): unknown[] =>
  resources.map(({ code }) => (code as { text?: string }).text)

describe('what can be sent', () => {
  test('NDJSON, resource by resource in the order of the lines', async () => {
    const { mock, fhir } = await startMock()
    const directory = await tempDirectory()
    const texts = Array.from({ length: 12 }, (_, index) => `line ${index}`)
    const file = join(directory, 'many.ndjson')
    // Blank lines, Windows line ends and a byte order mark are no reason to refuse.
    await writeFile(
      file,
      `\uFEFF${texts.map((text) => JSON.stringify(observation(text))).join('\r\n\r\n')}\r\n`,
    )
    const { code, stdout } = await agent(['send', file, '--server', fhir, '--directory', directory])
    expect(stdout).toBe('12 accepted\n12 delivered\n')
    expect(code).toBe(0)
    expect(codes(mock.state.resources('Observation'))).toEqual(texts)
  })

  test('a collection, resource by resource in its order', async () => {
    const { mock, fhir } = await startMock()
    const bundle = collection(observation('b'), patient, observation('a'), observation('c'))
    const { code } = await agent(['send', '-', '--server', fhir, '--directory', await tempDirectory()], {
      stdin: JSON.stringify(bundle),
    })
    expect(code).toBe(0)
    expect(mock.state.commits.map(({ type }) => type)).toEqual([
      'Observation',
      'Patient',
      'Observation',
      'Observation',
    ])
    expect(codes(mock.state.resources('Observation'))).toEqual(['b', 'a', 'c'])
  })

  test('equal resources in one file are different ones; the file sent again adds none', async () => {
    const { mock, fhir } = await startMock()
    const args = ['send', '-', '--server', fhir, '--directory', await tempDirectory()]
    const stdin = JSON.stringify(collection(observation('same'), observation('same')))
    expect(await agent(args, { stdin })).toMatchObject({ stdout: '2 accepted\n2 delivered\n' })
    expect(await agent(args, { stdin })).toMatchObject({
      stdout: '0 accepted, 2 known from before\n0 delivered\n',
    })
    expect(mock.state.resources('Observation')).toHaveLength(2)
  })

  test('one file named twice is one file', async () => {
    const { mock, fhir } = await startMock()
    const directory = await tempDirectory()
    const file = join(directory, 'one.json')
    await writeFile(file, JSON.stringify(patient))
    const { code, stdout } = await agent(['send', file, file, '--server', fhir, '--directory', directory])
    expect(stdout).toBe('1 accepted, 1 known from before\n1 delivered\n')
    expect(code).toBe(0)
    expect(mock.state.resources('Patient')).toHaveLength(1)
  })

  test('a reading becomes the bundle of a device, digits kept', async () => {
    const { mock, fhir } = await startMock()
    const args = ['send', '-', '--server', fhir, '--directory', await tempDirectory()]
    const sent = reading()
    const { code, stdout } = await agent(args, { stdin: JSON.stringify(sent) })
    expect(stdout).toBe('1 accepted\n1 delivered\n')
    expect(code).toBe(0)
    expect(mock.state.resources('Device')).toHaveLength(2)
    expect(mock.state.resources('Patient')).toEqual([
      expect.objectContaining({ identifier: [{ system: 'urn:oid:2.999.1', value: 'patient-7' }] }),
    ])
    const [pressure, pulse] = mock.state.resources('Observation')
    expect(pressure?.['effectiveDateTime']).toBe('2026-03-02T07:01:22Z')
    const components = pressure?.['component'] as readonly { valueQuantity: { value: number } }[] | undefined
    const values = components?.map(({ valueQuantity }) => valueQuantity.value)
    expect(values).toEqual([121, 79.5])
    expect(pulse?.['valueQuantity']).toMatchObject({ value: 64, code: '/min' })
    await agent(args, { stdin: JSON.stringify(sent) })
    expect(mock.state.commits).toHaveLength(5)
  })

  test('numbers in a reading keep their spelling, as texts do', () => {
    const [unit] = readUnits('x', '{"device":{},"measurements":[{"value":36.50}]}')
    expect(unit).toMatchObject({ kind: 'reading', json: '{"device":{},"measurements":[{"value":36.50}]}' })
  })
})

describe('keys', () => {
  const units = readUnits('x', JSON.stringify(collection(observation('a'), observation('a'), patient)))

  test('depend on destination and content, and tell equal units apart', () => {
    const keys = unitKeys('https://one.example/fhir', units)
    expect(new Set(keys).size).toBe(3)
    for (const key of keys)
      expect(key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(unitKeys('https://one.example/fhir', units)).toEqual(keys)
    const elsewhere = unitKeys('https://two.example/fhir', units)
    expect(new Set([...keys, ...elsewhere]).size).toBe(6)
  })

  test('do not depend on white space, but on every digit', () => {
    const keyOf = (text: string): string => unitKeys('d', readUnits('x', text))[0] ?? ''
    expect(keyOf('{"resourceType":"Basic","n":1.0}')).toBe(keyOf('{ "resourceType": "Basic",\n "n": 1.0 }'))
    expect(keyOf('{"resourceType":"Basic","n":1.0}')).not.toBe(keyOf('{"resourceType":"Basic","n":1.00}'))
  })
})

describe('--dry-run', () => {
  test('says what would happen, contacts nobody and stores nothing', async () => {
    const { mock, fhir, url } = await startMock({})
    const base = await tempDirectory()
    const home = join(base, 'home')
    await writeFile(join(base, 'recipient.pem'), await mock.state.c3pro.certificatePem())
    const config = join(base, 'config.json')
    await writeFile(
      config,
      JSON.stringify({
        server: fhir,
        directory: 'home',
        auth: { type: 'register' },
        encryption: {
          url: `${url}/c3pro/encfhir`,
          certificate: 'recipient.pem',
          keyId: mock.state.c3pro.keyId,
          types: ['QuestionnaireResponse'],
        },
      }),
    )
    const stdin = [
      patient,
      { ...patient, id: 'p1' },
      transaction({ resourceType: 'Basic' }),
      { resourceType: 'QuestionnaireResponse', status: 'completed' },
    ]
      .map((one) => JSON.stringify(one))
      .join('\n')
    const { code, stdout, stderr } = await agent(['send', '-', '--dry-run', '--config', config], { stdin })
    expect(stderr).toBe('')
    expect(stdout.split('\n')).toEqual([
      `POST ${fhir}/Patient  plan conditional-create  lane ${fhir}  in clear  (standard input line 1)`,
      `PUT ${fhir}/Patient/p1  plan put-client-id  lane ${fhir}  in clear  (standard input line 2)`,
      `POST ${fhir}  plan conditional-create  lane ${fhir}  in clear  (standard input line 3)`,
      `POST ${url}/c3pro/encfhir  plan at-least-once  lane ${fhir}  encrypted  (standard input line 4)`,
      '',
    ])
    expect(code).toBe(0)

    const json = await agent(['send', '-', '--dry-run', '--json', '--config', config], { stdin })
    expect(json.events()).toMatchObject([
      { event: 'preview', method: 'POST', url: `${fhir}/Patient`, lane: fhir, encrypted: false },
      { event: 'preview', method: 'PUT', plan: 'put-client-id' },
      { event: 'preview', source: 'standard input line 3', key: expect.stringMatching(/^[0-9a-f-]{36}$/) },
      { event: 'preview', plan: 'at-least-once', encrypted: true },
    ])
    expect(mock.log).toEqual([])
    expect(existsSync(home)).toBe(false)
  })

  test('refuses what send would refuse', async () => {
    const { code } = await agent(
      ['send', '-', '--dry-run', '--server', 'http://127.0.0.1:9', '--directory', await tempDirectory()],
      { stdin: JSON.stringify({ ...patient, id: '?' }) },
    )
    expect(code).toBe(3)
  })
})

test('an encrypted resource arrives decrypted behind the endpoint, once', async () => {
  const { mock, fhir, url } = await startMock({})
  const base = await tempDirectory()
  mock.state.addClient({ clientId: 'gateway', secret: 'secret' })
  await writeFile(join(base, 'recipient.pem'), await mock.state.c3pro.certificatePem())
  await writeFile(join(base, 'secret.txt'), 'secret\n')
  mock.state.addReceipt('bWFkZS11cA==')
  mock.state.addAntispam('antispam')
  await writeFile(join(base, 'receipt.txt'), 'bWFkZS11cA==')
  await writeFile(join(base, 'antispam.txt'), 'antispam\n')
  const config = join(base, 'config.json')
  const auth = { type: 'client-credentials', clientId: 'gateway', clientSecretFile: 'secret.txt' }
  const encryption = {
    url: `${url}/c3pro/encfhir`,
    certificate: 'recipient.pem',
    keyId: mock.state.c3pro.keyId,
    receiver: 'deduplicates',
    auth: {
      type: 'receipt',
      registrationUrl: `${url}/c3pro/register`,
      tokenUrl: `${url}/c3pro/oauth`,
      receiptFile: 'receipt.txt',
      antispamFile: 'antispam.txt',
    },
  }
  await writeFile(config, JSON.stringify({ server: fhir, directory: 'home', auth, encryption }))
  const stdin = JSON.stringify({ resourceType: 'QuestionnaireResponse', status: 'completed' })
  const { code, stdout, stderr } = await agent(['send', '-', '--config', config], { stdin })
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '1 accepted\n1 delivered\n', stderr: '' })
  expect(mock.state.c3pro.received).toMatchObject([{ outcome: 'filed' }])
  expect(mock.state.resources('QuestionnaireResponse')).toMatchObject([{ status: 'completed' }])
  expect(await counters(join(base, 'home'))).toMatchObject({ delivered: 1 })

  // A reading is a transaction: it needs a receiver that runs what it finds.
  const refused = await agent(['send', '-', '--config', config], { stdin: JSON.stringify(reading()) })
  expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('must be encrypted') as unknown })
  const trusting = { ...encryption, receiverRunsTransactions: true }
  await writeFile(config, JSON.stringify({ server: fhir, directory: 'home', auth, encryption: trusting }))
  const sent = await agent(['send', '-', '--config', config], { stdin: JSON.stringify(reading()) })
  expect(sent).toMatchObject({ code: 0, stdout: '1 accepted\n1 delivered\n' })
  expect(mock.state.resources('Observation')).toHaveLength(2)
  expect(mock.log.filter(({ method, url: to }) => method === 'POST' && to.startsWith('/fhir'))).toEqual([])
})
