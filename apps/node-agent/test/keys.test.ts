import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createOpener,
  createSealer,
  importOpeningKey,
  importRecipient,
  keyRing,
} from '@fhir-outbox/envelope-crypto'
import { describe, expect, it } from 'vitest'
import { agent } from './support/agent.js'
import { tempDirectory } from './support/temp.js'

describe('keys of a receiver', () => {
  it('are generated, rotated and shown; each opens what was sealed for it', async () => {
    const folder = join(await tempDirectory(), 'keys')
    expect(await agent(['keys', 'generate', folder, '--curve', 'P-256', '--key-id', 'first'])).toMatchObject({
      code: 0,
    })
    const passphraseFile = join(folder, 'passphrase')
    await writeFile(passphraseFile, 'correct horse\n')
    const rotated = await agent(['keys', 'rotate', folder, '--json', '--passphrase-file', passphraseFile])
    expect(rotated.code).toBe(0)
    const [{ keyId: second } = {}] = rotated.events()

    const shown = await agent(['keys', 'show', folder, '--json'])
    expect(shown.events()).toMatchObject([
      { event: 'key', keyId: 'first', kind: 'EC', bits: 256, current: false },
      { event: 'key', keyId: second, kind: 'EC', bits: 256, current: true },
    ])
    const jwks = JSON.parse(await readFile(join(folder, 'jwks.json'), 'utf8')) as { keys: { kid: string }[] }
    expect(jwks.keys.map(({ kid }) => kid)).toEqual(['first', second])

    for (const keyId of ['first', String(second)]) {
      const home = join(folder, keyId)
      expect((await stat(join(home, 'private-key.pem'))).mode & 0o777).toBe(0o600)
      const recipient = await importRecipient(await readFile(join(home, 'certificate.pem')), { keyId })
      const pem = await readFile(join(home, 'private-key.pem'))
      const key = await importOpeningKey(pem, {
        keyId,
        ...(keyId === 'first' ? {} : { passphrase: 'correct horse' }),
      })
      const envelope = await createSealer({ recipient }).seal(new TextEncoder().encode('a'))
      expect(await createOpener({ keys: keyRing([key]) }).open(envelope)).toHaveLength(1)
    }
  })

  it('never take the place of a key that is there: what was sealed for it would be lost', async () => {
    const folder = join(await tempDirectory(), 'keys')
    const generate = ['keys', 'generate', folder, '--curve', 'P-256', '--key-id', 'first']
    expect(await agent(generate)).toMatchObject({ code: 0 })
    const file = join(folder, 'first', 'private-key.pem')
    const before = await readFile(file, 'utf8')
    for (const args of [generate, ['keys', 'rotate', folder, '--key-id', 'first']]) {
      const again = await agent(args)
      expect(again.code).toBe(2)
      expect(again.stderr).toBe(
        `fhir-outbox: There is a key "first" in ${folder} already.\n` +
          '  Give the new one another --key-id, or none. Every key stays as long as something is sealed for it.\n',
      )
    }
    expect(await readFile(file, 'utf8')).toBe(before)
    const jwks = JSON.parse(await readFile(join(folder, 'jwks.json'), 'utf8')) as { keys: unknown[] }
    expect(jwks.keys).toHaveLength(1)
  })

  it('that cannot be made or read say why, with the file', async () => {
    const base = await tempDirectory()
    const file = join(base, 'file')
    await writeFile(file, '')
    const days = await agent(['keys', 'generate', join(base, 'keys'), '--days', '0'])
    expect(days).toMatchObject({ code: 2, stderr: expect.stringContaining('days must be') as unknown })
    const shown = await agent(['keys', 'show', file])
    expect(shown.code).toBe(4)
    expect(shown.stderr).toContain(`${file} cannot be used: `)
    await mkdir(join(base, 'damaged'))
    await writeFile(join(base, 'damaged', 'jwks.json'), '{"keys": marker')
    const damaged = await agent(['keys', 'show', join(base, 'damaged')])
    expect(damaged.code).toBe(4)
    expect(damaged.stderr).toContain(`${join(base, 'damaged', 'jwks.json')} is not JSON.`)
    expect(damaged.stderr).not.toContain('marker')
    const records = await agent(['keys', 'generate', '--records', join(file, 'records.key')])
    expect(records.code).toBe(4)
    expect(records.stderr).toContain(`The directory ${file} cannot be used: `)
    const deep = await agent(['keys', 'generate', '--records', join(base, 'new', 'folder', 'records.key')])
    expect(deep.code).toBe(0)
  })

  it('are laid out for the consumer of C3-PRO when they are made for it, also by rotate', async () => {
    const folder = await tempDirectory()
    await agent(['keys', 'generate', folder, '--suite', 'c3-pro', '--bits', '2048', '--key-id', 'first'])
    await agent(['keys', 'rotate', folder, '--key-id', 'second'])
    for (const keyId of ['first', 'second']) {
      const der = await readFile(join(folder, keyId, 'private-c3pro.der'))
      expect(await importOpeningKey(der, { keyId })).toMatchObject({ kind: 'RSA', bits: 2048 })
      expect(await readdir(join(folder, keyId))).toEqual([
        'certificate.der',
        'certificate.pem',
        'private-c3pro.der',
        'private-key.pem',
        'public.jwk.json',
      ])
    }
  })

  it('are told apart from a folder without keys and from wrong flags', async () => {
    const folder = await tempDirectory()
    expect(await agent(['keys', 'show', join(folder, 'none')])).toMatchObject({ code: 4 })
    expect(await agent(['keys', 'rotate', folder])).toMatchObject({ code: 4 })
    expect(await agent(['keys', 'generate', folder, '--bits', '1024'])).toMatchObject({ code: 2 })
    expect(await agent(['keys', 'generate', folder, '--key-id', '../x'])).toMatchObject({ code: 2 })
    expect(await readdir(folder)).toEqual([])
  })
})

const marker = 'Marker-7f3a'

interface Place {
  readonly directory: string
  readonly configFile: string
  readonly reading: string
}

/** A place with a reading to send to a server that is away, and a config file. */
async function place(sealing?: object): Promise<Place> {
  const directory = await tempDirectory()
  const configFile = join(directory, 'config.json')
  const reading = join(directory, 'reading.json')
  await configure(directory, sealing)
  const resource = { resourceType: 'Observation', status: 'final', code: { text: marker } }
  await writeFile(reading, JSON.stringify(resource))
  return { directory, configFile, reading }
}

async function configure(directory: string, sealing?: object): Promise<void> {
  const config = { server: 'http://127.0.0.1:9/fhir', directory: 'home', ...(sealing && { sealing }) }
  await writeFile(join(directory, 'config.json'), JSON.stringify(config))
}

/** Whether any file of the queue holds the bytes. */
async function stored(directory: string, text: string): Promise<boolean> {
  const queue = join(directory, 'home', 'queue')
  const files = await readdir(queue, { recursive: true, withFileTypes: true })
  const contents = await Promise.all(
    files.filter((file) => file.isFile()).map(({ parentPath, name }) => readFile(join(parentPath, name))),
  )
  return contents.some((bytes) => bytes.includes(text))
}

describe('a sealed queue', () => {
  it('shows nothing of what it holds, and everything to who has the key', async () => {
    const { directory, configFile, reading } = await place({ keyId: 'k1', keyFile: 'records.key' })
    expect((await agent(['keys', 'generate', '--records', join(directory, 'records.key')])).code).toBe(0)
    const sent = await agent(['send', reading, '-c', configFile, '--wait', '0'])
    expect(sent).toMatchObject({ code: 0, stderr: expect.not.stringContaining(marker) as unknown })
    expect(await stored(directory, marker)).toBe(false)
    expect(await stored(directory, '127.0.0.1')).toBe(false)
    const shown = await agent(['show', '1', '--content', '-c', configFile])
    expect(shown.stdout).toContain(marker)
  })

  it('takes nothing in clear when the settings have lost its key', async () => {
    const { directory, configFile, reading } = await place({ keyId: 'k1', keyFile: 'records.key' })
    await agent(['keys', 'generate', '--records', join(directory, 'records.key')])
    await agent(['send', reading, '-c', configFile, '--wait', '0'])
    await configure(directory)
    const sent = await agent(['send', reading, '-c', configFile, '--wait', '0'])
    expect(sent).toMatchObject({ code: 6, stderr: expect.stringContaining('is sealed') as unknown })
    expect(await stored(directory, marker)).toBe(false)
  })

  it('is what sealing envelopes at the last moment asks for', async () => {
    const { directory, configFile, reading } = await place()
    await agent(['keys', 'generate', join(directory, 'keys'), '--bits', '2048', '--key-id', 'hospital'])
    await agent(['keys', 'generate', '--records', join(directory, 'records.key')])
    const certificate = 'keys/hospital/certificate.pem'
    const encryption = { url: 'http://127.0.0.1:9/enc', certificate, keyId: 'hospital', sealAt: 'send' }
    const write = (more: object): Promise<void> =>
      writeFile(
        configFile,
        JSON.stringify({ server: 'http://127.0.0.1:9/fhir', directory: 'home', encryption, ...more }),
      )
    await write({})
    expect((await agent(['send', reading, '-c', configFile, '--wait', '0'])).stderr).toContain('sealed')
    await write({ sealing: { keyId: 'k1', keyFile: 'records.key' } })
    expect(await agent(['send', reading, '-c', configFile, '--wait', '0'])).toMatchObject({ code: 0 })
    expect(await stored(directory, marker)).toBe(false)
  })

  it('is told from one that is not sealed', async () => {
    const { directory, configFile, reading } = await place()
    await agent(['send', reading, '-c', configFile, '--wait', '0'])
    expect(await stored(directory, marker)).toBe(true)
    expect(await agent(['keys', 'show', '--records', '-c', configFile])).toMatchObject({ code: 2 })
  })

  it('goes on under a new key, and says when the old one can be deleted', async () => {
    const { directory, configFile, reading } = await place({ keyId: 'k1', keyFile: 'k1.key' })
    for (const name of ['k1', 'k2'])
      await agent(['keys', 'generate', '--records', join(directory, `${name}.key`)])
    await agent(['send', reading, '-c', configFile, '--wait', '0'])
    await configure(directory, {
      keyId: 'k2',
      keyFile: 'k2.key',
      older: [{ keyId: 'k1', keyFile: 'k1.key' }],
    })
    expect((await agent(['show', '1', '--content', '-c', configFile])).stdout).toContain(marker)
    const keys = async (): Promise<readonly object[]> =>
      (await agent(['keys', 'show', '--records', '-c', configFile, '--json'])).events()
    expect(await keys()).toMatchObject([
      { keyId: 'k2', current: true },
      // The reading and notes: looking seals nothing anew.
      { keyId: 'k1', records: 3, current: false },
    ])
    await agent(['flush', '--wait', '0', '-c', configFile])
    expect(await keys()).toMatchObject([{ keyId: 'k2' }, { keyId: 'k1', records: 2 }])
  })

  it('does not open without its key', async () => {
    const { directory, configFile, reading } = await place({ keyId: 'k1', keyFile: 'records.key' })
    const missing = await agent(['send', reading, '-c', configFile, '--wait', '0'])
    expect(missing).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('keys generate --records') as unknown,
    })
    await agent(['keys', 'generate', '--records', join(directory, 'records.key')])
    expect((await agent(['send', reading, '-c', configFile, '--wait', '0'])).code).toBe(0)
    await chmod(join(directory, 'records.key'), 0o644)
    const open = await agent(['list', '-c', configFile])
    expect(open).toMatchObject({ code: 6, stderr: expect.stringContaining('chmod 600') as unknown })
  })
})
