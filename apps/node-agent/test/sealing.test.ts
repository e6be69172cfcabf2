import { chmod, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { agent, tempDirectory } from './support/agent.js'

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
      { keyId: 'k1', records: 2, current: false },
    ])
  })

  it('does not open without its key', async () => {
    const { directory, configFile, reading } = await place({ keyId: 'k1', keyFile: 'records.key' })
    const missing = await agent(['send', reading, '-c', configFile, '--wait', '0'])
    expect(missing).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('keys generate --records') as unknown,
    })
    await agent(['keys', 'generate', '--records', join(directory, 'records.key')])
    await chmod(join(directory, 'records.key'), 0o644)
    const open = await agent(['list', '-c', configFile])
    expect(open).toMatchObject({ code: 6, stderr: expect.stringContaining('chmod 600') as unknown })
  })
})
