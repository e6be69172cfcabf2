import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateRecipient } from '@fhir-outbox/envelope-crypto'
import { describe, expect, test } from 'vitest'
import { agent, counters } from './support/agent.js'
import { startMock } from './support/mock.js'
import { patient } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

const stdin = JSON.stringify(patient)
const somewhere = 'http://127.0.0.1:9/fhir'

describe('wrong command lines end with 2', () => {
  test.each<[string, readonly string[], string]>([
    ['an unknown flag', ['send', '-', '--sever', somewhere], "error: unknown option '--sever'"],
    ['an unknown command', ['sned'], "error: unknown command 'sned'"],
    ['no file', ['send', '--server', somewhere], "error: missing required argument 'files'"],
    ['a number that is none', ['flush', '--wait', 'soon'], 'Give a whole number.'],
    ['a negative number', ['list', '--limit=-1'], 'Give a whole number.'],
    ['a state that does not exist', ['list', '--state', 'lost'], 'Allowed choices are waiting,'],
    ['an entry that is none', ['withdraw', '1', 'x', '--reason', 'r'], 'Give the number of an entry.'],
    ['no command', [], 'Usage: fhir-outbox'],
  ])('%s', async (_name, args, says) => {
    const { code, stdout, stderr } = await agent(args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(says)
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  test('help and version are no errors', async () => {
    const help = await agent(['--help'])
    expect(help.code).toBe(0)
    expect(help.stdout).toContain('Exit codes:\n  0  done')
    const version = await agent(['--version'])
    expect(version.code).toBe(0)
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+/)
  })
})

describe('wrong servers', () => {
  test.each<[string, string, string]>([
    ['no URL', 'fhir.example.org', '"fhir.example.org" is no URL of a FHIR server.'],
    ['no http', 'ftp://fhir.example.org', '"ftp://fhir.example.org" is no URL of a FHIR server.'],
    [
      'a query',
      'https://fhir.example.org/r4?apikey=marker-in-query',
      'The URL of the FHIR server at fhir.example.org has parts that do not belong there.',
    ],
    [
      'a password',
      'https://me:marker-in-url@fhir.example.org/r4',
      'The URL of the FHIR server at fhir.example.org has parts that do not belong there.',
    ],
    [
      'a password in front of nonsense',
      'me:marker-in-url@fhir',
      'What is set as server is no URL of a FHIR server.',
    ],
  ])('%s', async (_name, server, says) => {
    const directory = await tempDirectory()
    const { code, stdout, stderr } = await agent(
      ['send', '-', '--server', server, '--directory', directory],
      { stdin },
    )
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toBe(
      `fhir-outbox: ${says}\n  Give its base URL, e.g. https://fhir.example.org/r4, without query, user name and password.\n`,
    )
    expect(await counters(directory)).toMatchObject({ accepted: 0 })
  })

  test('none at all', async () => {
    const directory = await tempDirectory()
    const { code, stderr } = await agent(['send', '-', '--directory', directory], { stdin })
    expect(code).toBe(2)
    expect(stderr).toBe(
      'fhir-outbox: No FHIR server is set.\n  Use --server URL, FHIR_OUTBOX_SERVER, or "server" in the config file.\n',
    )
  })

  test('a token endpoint without https', async () => {
    const directory = await tempDirectory()
    const { code, stderr } = await agent(
      [
        'send',
        '-',
        '--directory',
        directory,
        '--server',
        'https://fhir.example.org',
        '--client-id',
        'me',
        '--token-url',
        'http://auth.example.org/token',
      ],
      { stdin, env: { FHIR_OUTBOX_CLIENT_SECRET: 'marker-secret' } },
    )
    expect(code).toBe(2)
    expect(stderr).toBe(
      'fhir-outbox: The token URL (--token-url) must be https, or plain http on loopback.\n' +
        '  Use an https URL without user name, password or fragment; plain http is for loopback only.\n',
    )
    expect(await counters(directory)).toMatchObject({ accepted: 0 })
  })
})

describe('wrong config files', () => {
  const auth = { type: 'client-credentials', clientId: 'me' }

  test.each<[string, string, number, string]>([
    ['no JSON', '{"server": marker', 2, 'The config file FILE is not JSON: syntax error in line 1.'],
    [
      'a comment',
      '{\n  "server": "marker",\n  // mine\n}',
      2,
      'The config file FILE is not JSON: syntax error in line 3.',
    ],
    ['a list', '[]', 2, 'The config file FILE is wrong: it must be an object.'],
    ['nothing', 'null', 2, 'The config file FILE is wrong: it must be an object.'],
    ['a text that is none', '{"server":5}', 2, 'The config file FILE is wrong: "server" must be a text.'],
    [
      'a canary that is a list',
      JSON.stringify({ server: somewhere, canaries: [] }),
      2,
      'The config file FILE is wrong: "canaries" must be an object.',
    ],
    [
      'types that are no list',
      JSON.stringify({
        server: somewhere,
        encryption: { url: somewhere, certificate: 'c', keyId: 'k', types: 'marker' },
      }),
      2,
      'The config file FILE is wrong: "encryption.types" must be a list.',
    ],
    [
      'an address of envelopes that is none',
      JSON.stringify({ server: somewhere, encryption: { url: 'marker', certificate: 'c', keyId: 'k' } }),
      2,
      'The config file FILE is wrong: "encryption.url" must be an http or https URL without user name and password.',
    ],
    [
      'a password in a token URL',
      JSON.stringify({
        server: somewhere,
        auth: { ...auth, tokenUrl: 'https://me:marker@auth.example.org/t' },
      }),
      2,
      'The config file FILE is wrong: "auth.tokenUrl" must be an http or https URL without user name and password.',
    ],
    [
      'a limit that is none',
      JSON.stringify({ server: somewhere, limits: { freeDiskBytes: -1 } }),
      2,
      'The config file FILE is wrong: "limits.freeDiskBytes" must be a whole number of 0 or more.',
    ],
    [
      'an unknown setting',
      JSON.stringify({ server: somewhere, sever: 'marker' }),
      2,
      'The config file FILE is wrong: there is no setting "sever".',
    ],
    [
      'a secret in the file',
      JSON.stringify({ server: somewhere, auth: { ...auth, clientSecret: 'marker' } }),
      2,
      'The config file FILE is wrong: there is no setting "auth.clientSecret".',
    ],
    [
      'a wrong value',
      JSON.stringify({ server: somewhere, key: 'marker' }),
      2,
      'The config file FILE is wrong: "key" must be "identifier" or "client-id".',
    ],
    [
      'a missing setting',
      JSON.stringify({ server: somewhere, auth: { type: 'backend-services', clientId: 'me' } }),
      2,
      'The config file FILE is wrong: "auth.keyFile" is missing.',
    ],
    [
      'canaries that are neither on nor off',
      JSON.stringify({ server: somewhere, canaries: 'marker' }),
      2,
      'The config file FILE is wrong: "canaries" must be true, false or an object.',
    ],
    [
      'a canary of no type',
      JSON.stringify({ server: somewhere, canaries: { type: 'marker of mine' } }),
      2,
      'The config file FILE is wrong: "canaries.type" must be the name of a resource type.',
    ],
    [
      'a canary with a setting that is none',
      JSON.stringify({ server: somewhere, canaries: { resource: 'marker' } }),
      2,
      'The config file FILE is wrong: there is no setting "canaries.resource".',
    ],
    [
      'transactions that are none of the three',
      JSON.stringify({ server: somewhere, transactions: 'marker' }),
      2,
      'The config file FILE is wrong: "transactions" must be "proven", "trusted" or "never".',
    ],
    [
      'an empty setting',
      JSON.stringify({ server: '' }),
      2,
      'The config file FILE is wrong: "server" must not be empty.',
    ],
  ])('%s', async (_name, content, exit, says) => {
    const directory = await tempDirectory()
    const file = join(directory, 'config.json')
    await writeFile(file, content)
    const { code, stdout, stderr } = await agent(['send', '-', '--config', file], { stdin })
    expect(code).toBe(exit)
    expect(stdout).toBe('')
    expect(stderr.split('\n')[0]).toBe(`fhir-outbox: ${says.replace('FILE', file)}`)
    expect(stderr.split('\n')).toHaveLength(3)
    expect(stderr).not.toContain('marker')
  })

  test('a missing file', async () => {
    const directory = await tempDirectory()
    const file = join(directory, 'nowhere.json')
    const { code, stderr } = await agent(['status', '--config', file])
    // Not 3: whoever puts aside what ends so would put aside what was to be sent.
    expect(code).toBe(2)
    expect(stderr).toBe(
      `fhir-outbox: The config file ${file} cannot be read: there is no such file.\n  Check the path given by --config or FHIR_OUTBOX_CONFIG.\n`,
    )
  })
})

describe('credentials that cannot be used', () => {
  test('a wrong secret: accepted and kept, exit 6; delivered with the right one', async () => {
    const directory = await tempDirectory()
    const { mock, fhir } = await startMock({})
    mock.state.addClient({ clientId: 'gateway', secret: 'right-secret' })
    const args = ['--server', fhir, '--directory', directory, '--client-id', 'gateway']
    const wrong = await agent(['send', '-', ...args], {
      stdin,
      env: { FHIR_OUTBOX_CLIENT_SECRET: 'wrong-secret' },
    })
    expect(wrong.code).toBe(6)
    expect(wrong.stdout).toBe('1 accepted\n0 delivered, 1 waiting\n')
    expect(wrong.stderr).toMatch(/^Waiting because: .+\n {2}Correct the credentials; .+\n$/)
    expect(wrong.stderr).not.toContain('wrong-secret')
    expect(await counters(directory)).toMatchObject({ accepted: 1, waiting: 1, dead: 0 })
    expect(mock.state.commits).toEqual([])

    const file = join(directory, 'secret.txt')
    await writeFile(file, 'right-secret\n')
    const right = await agent(['send', '-', ...args, '--client-secret-file', file], { stdin })
    expect(right.stdout).toBe('0 accepted, 1 known from before\n1 delivered\n')
    expect(right.code).toBe(0)
    expect(mock.state.resources('Patient')).toHaveLength(1)
    expect(await counters(directory)).toMatchObject({ accepted: 1, waiting: 0, delivered: 1 })
  })

  test('a client without secret', async () => {
    const directory = await tempDirectory()
    const { code, stderr } = await agent(
      ['send', '-', '--server', somewhere, '--directory', directory, '--client-id', 'me'],
      { stdin },
    )
    expect(code).toBe(2)
    expect(stderr).toBe(
      'fhir-outbox: There is a client id but no client secret.\n  Set FHIR_OUTBOX_CLIENT_SECRET, or use --client-secret-file or --key-file.\n',
    )
  })

  test.each<[string, string, number, string]>([
    ['JSON', '{"kty":"EC","d":"marker-key', 2, 'is neither JSON (JWK) nor PEM'],
    ['PEM', '-----BEGIN PRIVATE KEY-----\nbWFya2Vy\n-----END PRIVATE KEY-----\n', 6, 'FILE: '],
    ['key', '{"kty":"oct","k":"marker-key"}', 6, 'FILE: '],
  ])('a private key that is no %s', async (_name, content, exit, says) => {
    const directory = await tempDirectory()
    const file = join(directory, 'key')
    await writeFile(file, content)
    const { fhir } = await startMock({})
    const { code, stderr } = await agent(
      [
        'send',
        '-',
        '--server',
        fhir,
        '--directory',
        join(directory, 'home'),
        '--client-id',
        'me',
        '--key-file',
        file,
        '--key-id',
        'k1',
      ],
      { stdin },
    )
    expect(code).toBe(exit)
    expect(stderr).toContain(says.replace('FILE', file))
    expect(stderr).not.toMatch(/marker-key|bWFya2Vy|\n\s+at /)
  })

  test('a key file that is missing', async () => {
    const directory = await tempDirectory()
    const { code, stderr } = await agent(
      [
        'send',
        '-',
        '--server',
        somewhere,
        '--directory',
        join(directory, 'home'),
        '--client-id',
        'me',
        '--key-file',
        join(directory, 'none.pem'),
      ],
      { stdin },
    )
    expect(code).toBe(2)
    expect(stderr).toContain(
      `The file with the private key, ${join(directory, 'none.pem')}, cannot be read: there is no such file.`,
    )
  })
})

test('an address of envelopes without https is named as that, not as the server', async () => {
  const directory = await tempDirectory()
  const { certificatePem } = await generateRecipient({ curve: 'P-256' })
  await writeFile(join(directory, 'recipient.pem'), certificatePem)
  const encryption = { url: 'http://c3pro.example.org/enc', certificate: 'recipient.pem', keyId: 'k' }
  await writeFile(
    join(directory, 'config.json'),
    JSON.stringify({ server: somewhere, directory, encryption }),
  )
  const { code, stderr } = await agent(['send', '-', '--config', join(directory, 'config.json')], { stdin })
  expect(code).toBe(2)
  expect(stderr).toContain('fhir-outbox: "encryption.url" must be https')
})

describe('certificates for encryption', () => {
  async function sendEncrypted(
    directory: string,
    certificate: string,
    keyId = 'key-1',
  ): Promise<Awaited<ReturnType<typeof agent>>> {
    await writeFile(join(directory, 'recipient.pem'), certificate)
    const config = {
      server: somewhere,
      directory: 'home',
      encryption: { url: 'http://127.0.0.1:9/encfhir', certificate: 'recipient.pem', keyId },
    }
    await writeFile(join(directory, 'config.json'), JSON.stringify(config))
    return agent(['send', '-', '--config', join(directory, 'config.json')], { stdin })
  }

  test('an expired one: exit 6 and the date', async () => {
    const directory = await tempDirectory()
    const { certificatePem } = await generateRecipient({
      bits: 2048,
      days: 1,
      now: () => Date.UTC(2024, 4, 1, 12),
    })
    const { code, stderr } = await sendEncrypted(directory, certificatePem)
    expect(code).toBe(6)
    expect(stderr).toBe(
      `fhir-outbox: ${join(directory, 'recipient.pem')}: The certificate expired on 2024-05-02T12:00:00.000Z.\n` +
        "  Install the receiver's current certificate with its key id, or check the clock of this device.\n",
    )
    expect(await counters(join(directory, 'home'))).toMatchObject({ accepted: 0 })
  })

  test('a private key instead', async () => {
    const directory = await tempDirectory()
    const { privateKeyPkcs8Pem } = await generateRecipient({ bits: 2048 })
    const { code, stderr } = await sendEncrypted(directory, privateKeyPkcs8Pem)
    expect(code).toBe(6)
    expect(stderr).toContain(`${join(directory, 'recipient.pem')}: `)
    expect(stderr.toLowerCase()).toContain('private')
    expect(stderr).not.toContain(privateKeyPkcs8Pem.slice(40, 80))
    expect(stderr.split('\n')).toHaveLength(3)
    expect(await counters(join(directory, 'home'))).toMatchObject({ accepted: 0 })
  })

  test('text that is none', async () => {
    const directory = await tempDirectory()
    const { code, stderr } = await sendEncrypted(directory, 'hello')
    expect(code).toBe(6)
    expect(stderr).toContain(`fhir-outbox: ${join(directory, 'recipient.pem')}: `)
  })

  test('a key id that cannot be one', async () => {
    const directory = await tempDirectory()
    const { certificatePem } = await generateRecipient({ bits: 2048 })
    const { code, stderr } = await sendEncrypted(directory, certificatePem, '../key')
    expect(code).toBe(2)
    expect(stderr).toContain('"encryption.keyId": ')
  })

  test('a file that is missing', async () => {
    const directory = await tempDirectory()
    const config = {
      server: somewhere,
      directory: 'home',
      encryption: { url: 'http://127.0.0.1:9/encfhir', certificate: 'none.pem', keyId: 'k' },
    }
    await writeFile(join(directory, 'config.json'), JSON.stringify(config))
    const { code, stderr } = await agent(['send', '-', '--config', join(directory, 'config.json')], { stdin })
    expect(code).toBe(2)
    expect(stderr).toContain(
      `The certificate ${join(directory, 'none.pem')} cannot be read: there is no such file.`,
    )
  })
})
