import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readUnits } from '../src/input/units.js'
import { agent, counters } from './support/agent.js'
import { startMock } from './support/mock.js'
import { collection, observation, patient, reading, transaction } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

interface Case {
  readonly name: string
  readonly content: string
  /** The sentence, with FILE for the path. */
  readonly says: string
  readonly hint: string
}

const json = (value: unknown): string => JSON.stringify(value)

const cases: readonly Case[] = [
  {
    name: 'a file that is no JSON',
    content: '{"resourceType": "Patient", marker}',
    says: 'FILE is not JSON: syntax error at character 28.',
    hint: 'Give FHIR in JSON, or NDJSON with one resource a line.',
  },
  {
    name: 'a broken file over many lines',
    content: '{\n  "resourceType": "Patient",\n  "active": tru\n}\n',
    says: 'FILE is not JSON: syntax error at character 43.',
    hint: 'Give FHIR in JSON, or NDJSON with one resource a line.',
  },
  {
    name: 'an empty file',
    content: ' \n',
    says: 'FILE is empty.',
    hint: 'Give a file with FHIR JSON or NDJSON.',
  },
  {
    name: 'a member that stands twice',
    content: '{"resourceType":"Patient","active":true,"active":false}',
    says: 'FILE is not JSON: a member stands twice, at character 41.',
    hint: 'Give FHIR in JSON, or NDJSON with one resource a line.',
  },
  {
    name: 'a list',
    content: json([patient]),
    says: 'FILE holds no FHIR resource but a list.',
    hint: 'Put one resource a line (NDJSON) instead of a list.',
  },
  {
    name: 'a bare number',
    content: '42',
    says: 'FILE holds no FHIR resource but a number.',
    hint: 'Put one resource a line (NDJSON) instead of a list.',
  },
  {
    name: 'an object without resourceType',
    content: json({ name: 'somebody' }),
    says: 'FILE is no FHIR resource: it has no resourceType.',
    hint: 'Give FHIR resources, Bundles, or readings with "device" and "measurements".',
  },
  {
    name: 'a resourceType that is no type',
    content: json({ resourceType: 'Patient/7' }),
    says: 'FILE: The object is no FHIR resource: it has no resourceType.',
    hint: 'Pass a FHIR resource in JSON, with its type in "resourceType".',
  },
  {
    name: 'an id that is none',
    content: json({ ...patient, id: 'a/b' }),
    says: 'FILE: The id of the Patient is not a FHIR id.',
    hint: 'An id has 1 to 64 of the characters A-Z, a-z, 0-9, "-" and ".".',
  },
  {
    name: 'NDJSON with one bad line among good ones',
    content: `${json(observation('one'))}\n${json(observation('two'))}\n{"resourceType":\n${json(observation('four'))}\n`,
    says: 'FILE line 3 is not JSON: syntax error at character 16.',
    hint: 'Repair or remove that line.',
  },
  {
    name: 'NDJSON with a line that is no resource',
    content: `${json(observation('one'))}\n{"name":"x"}\n`,
    says: 'FILE line 2 is no FHIR resource: it has no resourceType.',
    hint: 'Give FHIR resources, Bundles, or readings with "device" and "measurements".',
  },
  {
    name: 'a transaction entry without request',
    content: json({
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [{ resource: patient, request: { method: 'POST', url: 'Patient' } }, { resource: patient }],
    }),
    says: 'FILE: Entry 1 of the transaction has no request.',
    hint: 'Every entry of a transaction needs request.method and request.url.',
  },
  {
    name: 'a transaction without entries',
    content: json({ resourceType: 'Bundle', type: 'transaction' }),
    says: 'FILE: The transaction has no entries.',
    hint: 'Put at least one entry into Bundle.entry.',
  },
  {
    name: 'a collection entry without resource',
    content: json({
      resourceType: 'Bundle',
      type: 'collection',
      entry: [{ resource: patient }, { fullUrl: 'urn:uuid:0' }],
    }),
    says: 'FILE entry 1 has no resource.',
    hint: 'Every entry of a collection needs a resource.',
  },
  {
    name: 'a batch',
    content: json({ ...transaction({ ...patient }), type: 'batch' }),
    says: 'FILE is a Bundle of type batch, which cannot be delivered once and in order.',
    hint: 'Make it a transaction (all or nothing) or a collection (resource by resource).',
  },
  {
    name: 'a reading with a member that does not exist',
    content: json({ ...reading(), time: { ...reading().time, zone: 'UTC' } }),
    says: 'FILE: time.zone is not a known member; known here: quality, measuredAt, deviceTime, gatewayTime, syncMethod.',
    hint: 'Correct the member named by `path`; the README describes the reading form.',
  },
  {
    name: 'a reading with a wrong value',
    content: json({
      ...reading(),
      measurements: [{ type: 'pulse-rate', value: 'fast', unit: '/min' }],
    }),
    says: 'FILE: measurements[0].value',
    hint: '',
  },
  {
    name: 'a reading that cannot be placed in time',
    content: json({ ...reading(), time: { quality: 'other-time-line' } }),
    says: 'FILE: the reading cannot be placed in time.',
    hint: 'The device clock was not on the current time line; give time.quality "none" with the gatewayTime of reception.',
  },
]

describe('a bad file is refused with one sentence, and nothing is accepted', () => {
  test.each(cases)('$name', async ({ content, says, hint }) => {
    const directory = await tempDirectory()
    const { mock, fhir } = await startMock()
    const bad = join(directory, 'bad.json')
    const good = join(directory, 'good.json')
    await writeFile(bad, content)
    await writeFile(good, json(patient))

    // A good file beside it, before and after, is not accepted either.
    const args = ['--server', fhir, '--directory', join(directory, 'home')]
    const { code, stdout, stderr } = await agent(['send', good, bad, good, ...args])

    expect(code).toBe(3)
    expect(stdout).toBe('')
    const [sentence, wayOut, ...rest] = stderr.split('\n')
    expect(sentence).toContain(`fhir-outbox: ${says.replace('FILE', bad)}`)
    expect(wayOut).toContain(hint)
    expect(rest).toEqual([''])
    expect(mock.log).toEqual([])
    expect(await counters(join(directory, 'home'))).toMatchObject({ accepted: 0, waiting: 0 })
  })

  test('with --json the same is one line for programs', async () => {
    const directory = await tempDirectory()
    const bad = join(directory, 'bad.json')
    await writeFile(bad, '[]')
    const { code, stderr, events } = await agent([
      'send',
      bad,
      '--json',
      '--server',
      'http://127.0.0.1:9/fhir',
      '--directory',
      join(directory, 'home'),
    ])
    expect(code).toBe(3)
    expect(stderr).toBe('')
    expect(events()).toEqual([
      {
        event: 'error',
        code: 'ERR_BAD_INPUT',
        message: `${bad} holds no FHIR resource but a list.`,
        hint: 'Put one resource a line (NDJSON) instead of a list.',
      },
    ])
  })
})

describe('a file that is not UTF-8 is refused: read as if it were, letters would be lost', () => {
  const latin1 = Buffer.from(json({ ...patient, name: [{ family: 'M\u00fcller' }] }), 'latin1')

  test.each<[string, Buffer]>([
    ['Latin 1', latin1],
    ['UTF-16, as some shells write', Buffer.from(`\uFEFF${json(patient)}`, 'utf16le')],
  ])('%s', async (_name, content) => {
    const directory = await tempDirectory()
    const file = join(directory, 'bad.json')
    await writeFile(file, content)
    const home = join(directory, 'home')
    const args = ['--server', 'http://127.0.0.1:9/fhir', '--directory', home]
    const { code, stdout, stderr } = await agent(['send', file, ...args])
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toBe(`fhir-outbox: ${file} is not UTF-8 text.\n  Save it as UTF-8.\n`)
    expect(await counters(home)).toMatchObject({ accepted: 0 })
  })

  test('from standard input', async () => {
    const { code, stderr } = await agent(
      ['send', '-', '--server', 'http://127.0.0.1:9/fhir', '--directory', await tempDirectory()],
      { stdin: latin1 },
    )
    expect(code).toBe(3)
    expect(stderr).toContain('standard input is not UTF-8 text.')
  })

  test('one that begins with a byte order mark is UTF-8', async () => {
    const { code, stdout } = await agent(
      ['send', '-', '--dry-run', '--server', 'http://127.0.0.1:9/fhir', '--directory', await tempDirectory()],
      { stdin: Buffer.from(`\uFEFF${json(patient)}`) },
    )
    expect(code).toBe(0)
    expect(stdout).toContain('POST http://127.0.0.1:9/fhir/Patient')
  })
})

test('what is larger than an entry can be is named', () => {
  const large = { ...patient, text: { status: 'generated', div: '\u00e4'.repeat(50) } }
  const read = (content: string): unknown => readUnits('file.ndjson', content, { maxBytes: 180 })
  expect(read(`${json(patient)}\n${json(patient)}\n`)).toHaveLength(2)
  expect(() => read(`${json(patient)}\n${json(large)}\n`)).toThrow(
    expect.objectContaining({
      code: 'ERR_BAD_INPUT',
      message:
        'file.ndjson line 2 has 204 bytes, and the queue takes at most 180 in one resource or transaction.',
    }),
  )
})

describe('a file that cannot be read', () => {
  test.each([
    ['missing.json', 'there is no such file'],
    ['folder', 'it is a directory'],
  ])('%s', async (name, why) => {
    const directory = await tempDirectory()
    await mkdir(join(directory, 'folder'))
    const file = join(directory, name)
    const home = join(directory, 'home')
    const { code, stderr } = await agent([
      'send',
      file,
      '--server',
      'http://127.0.0.1:9/fhir',
      '--directory',
      home,
    ])
    expect(code).toBe(3)
    expect(stderr).toBe(
      `fhir-outbox: ${file} cannot be read: ${why}.\n  Check the path and the permissions; "-" reads standard input.\n`,
    )
    expect(await counters(home)).toMatchObject({ accepted: 0 })
  })
})

test('a collection with one bad resource is not accepted in part', async () => {
  const directory = await tempDirectory()
  const { code, stderr } = await agent(
    ['send', '-', '--server', 'http://127.0.0.1:9/fhir', '--directory', directory],
    { stdin: json(collection(patient, { ...patient, id: '' }, patient)) },
  )
  expect(code).toBe(3)
  expect(stderr).toContain('standard input entry 1: The id of the Patient is not a FHIR id.')
  expect(await counters(directory)).toMatchObject({ accepted: 0 })
})
