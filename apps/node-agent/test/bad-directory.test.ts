import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { agent, counters, startDaemon, type Result } from './support/agent.js'
import { closedPort, startMock } from './support/mock.js'
import { observation, patient } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

const stdin = JSON.stringify(patient)

describe('a directory that cannot be written', () => {
  test.each<[string, readonly string[]]>([
    ['send', ['send', '-']],
    ['run', ['run']],
    ['flush', ['flush']],
    ['status', ['status']],
    ['list', ['list']],
  ])('%s below a regular file', async (name, args) => {
    const base = await tempDirectory()
    await writeFile(join(base, 'file'), '')
    const directory = join(base, 'file', 'home')
    const { mock, fhir } = await startMock()
    const server = name === 'status' || name === 'list' ? [] : ['--server', fhir]
    const { code, stdout, stderr } = await agent([...args, ...server, '--directory', directory], { stdin })
    expect(code).toBe(4)
    expect(stdout).toBe('')
    expect(stderr.split('\n')).toHaveLength(3)
    expect(stderr).toContain(directory)
    expect(stderr).toMatch(/a part of the path is a file\.|The path leads through a file/)
    expect(stderr).toMatch(/choose another (?:--)?directory\.\n$/)
    expect(mock.log).toEqual([])
  })

  test.skipIf(process.platform !== 'linux')('below /proc', async () => {
    const directory = '/proc/fhir-outbox'
    const { code, stderr } = await agent(
      ['send', '-', '--server', 'http://127.0.0.1:9', '--directory', directory],
      { stdin },
    )
    expect(code).toBe(4)
    expect(stderr).toContain(directory)
    expect(stderr.split('\n')).toHaveLength(3)
  })

  test('a drop folder that is a file: nothing is started and the queue is free again', async () => {
    const directory = await tempDirectory()
    await writeFile(join(directory, 'drop'), '')
    const { fhir } = await startMock()
    const { code, stderr } = await agent(['run', '--server', fhir, '--directory', directory])
    expect(code).toBe(4)
    expect(stderr).toContain(
      `The directory ${join(directory, 'drop')} cannot be used: there is a file of that name.`,
    )
    expect(await counters(directory)).toMatchObject({ accepted: 0 })
  })
})

describe('a second owner of one directory', () => {
  test('flush and run name the owner, and so does a decision; status looks in from outside; send hands over', async () => {
    const directory = await tempDirectory()
    const { fhir, open } = await closedPort()
    const args = ['--server', fhir, '--directory', directory]
    const owner = startDaemon(args)
    await owner.event(({ event }) => event === 'opened')

    for (const command of [
      ['flush', ...args],
      ['withdraw', '1', '--reason', 'why not', '--directory', directory],
      ['run', ...args],
    ]) {
      const { code, stdout, stderr } = await agent(command)
      expect(code).toBe(5)
      expect(stdout).toBe('')
      expect(stderr).toContain(`${join(directory, 'queue')} is in use by this process (pid ${process.pid}).`)
      expect(stderr).toContain('What only looks works beside it')
      expect(stderr.split('\n')).toHaveLength(3)
    }

    for (const command of ['status', 'fsck']) {
      const { code, stdout } = await agent([command, '--json', '--directory', directory])
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ event: command, owner: process.pid, accepted: 0 })
    }

    const sent = await agent(['send', '-', ...args], { stdin })
    expect(sent.stderr).toBe('')
    expect(sent.stdout).toBe('standard input: handed to the process that owns the queue (1 to deliver)\n')
    expect(sent.code).toBe(0)
    await owner.event(({ event, accepted }) => event === 'accepted' && accepted === 1)
    const mock = await open()
    await owner.event(({ event }) => event === 'delivered')
    expect(mock.state.resources('Patient')).toHaveLength(1)
    expect(await readdir(join(directory, 'drop'))).toEqual([])
  })

  test.each(['as it is', 'sealed'])('can look at a queue %s beside the one that delivers', async (how) => {
    const home = await tempDirectory()
    const { mock, fhir } = await startMock()
    mock.faults.add({ method: 'POST', url: '/fhir/Patient', times: Infinity, fault: { kind: 'hang' } })
    const config = join(home, 'config.json')
    const sealing = { keyId: 'k1', keyFile: 'records.key' }
    await agent(['keys', 'generate', '--records', join(home, 'records.key')])
    const settings = { server: fhir, directory: 'home', ...(how === 'sealed' ? { sealing } : {}) }
    await writeFile(config, JSON.stringify(settings))
    const none = await agent(['list', '--config', config])
    expect(none).toMatchObject({ code: 0, stderr: 'No entries.\n' })
    const owner = startDaemon(['--config', config])
    await owner.event(({ event }) => event === 'opened')
    const empty = await agent(['list', '--config', config])
    expect(empty).toMatchObject({ code: 0, stderr: 'No entries.\n' })

    await agent(['send', '-', '--config', config], { stdin: JSON.stringify(observation('first')) })
    await owner.event(({ event }) => event === 'delivered')
    await agent(['send', '-', '--config', config], { stdin })
    await vi.waitFor(() => expect(mock.log.some(({ url }) => url.includes('/Patient'))).toBe(true))

    const look = (...args: string[]): Promise<Result> => agent([...args, '--config', config])
    const listed = await look('list')
    expect(listed).toMatchObject({ code: 0, stderr: '' })
    expect(listed.stdout).toMatch(/^1 {2}delivered .+\n2 {2}unknown .+\n$/)
    expect((await look('receipts')).stdout).toMatch(/^1 {2}/)
    expect((await look('show', '1')).code).toBe(0)
    expect((await look('show', '2', '--content')).stdout).toContain('"birthDate"')
    expect((await look('explain', '2')).stdout).toContain('A request with it was begun')
    expect(await look('dead-letters')).toMatchObject({ code: 0, stderr: 'No dead letters.\n' })
    if (how === 'sealed') {
      expect((await look('keys', 'show', '--records')).stdout).toMatch(/^k1 {2}\d+ records/)
      const without = await agent(['list', '--directory', join(home, 'home')])
      expect(without).toMatchObject({ code: 6, stdout: '' })
    }
    expect(await owner.stop()).toBe(0)
    expect((await look('status', '--json')).events()).toMatchObject([{ accepted: 2, waiting: 1 }])
  })

  test('a bad file is refused by send itself, before anything is handed over', async () => {
    const directory = await tempDirectory()
    const { fhir } = await startMock()
    const args = ['--server', fhir, '--directory', directory]
    const owner = startDaemon(args)
    await owner.event(({ event }) => event === 'opened')
    const { code, stderr } = await agent(['send', '-', ...args], { stdin: '[]' })
    expect(code).toBe(3)
    expect(stderr).toContain('standard input holds no FHIR resource but a list.')
    expect(await readdir(join(directory, 'drop'))).toEqual([])
  })

  test('what was handed over when no agent runs is taken by the next flush, in order', async () => {
    const directory = await tempDirectory()
    const { mock, fhir } = await startMock()
    const args = ['--server', fhir, '--directory', directory]
    const drop = join(directory, 'drop')
    await mkdir(drop, { recursive: true })
    const name = (n: number): string => `00000000000000${n}-000001-00000000-0000-4000-8000-000000000000.json`
    await writeFile(join(drop, name(1)), JSON.stringify(observation('first')))
    await writeFile(join(drop, name(2)), '{"resourceType":')
    await writeFile(join(drop, name(3)), JSON.stringify(observation('third')))
    const { code, stdout, stderr } = await agent(['flush', ...args])
    expect(stdout).toBe(`${name(1)}: 1 accepted\n${name(3)}: 1 accepted\n2 delivered\n`)
    expect(stderr).toContain(`${name(2)} was refused: ${name(2)} is not JSON`)
    expect(code).toBe(0)
    expect(mock.state.resources('Observation').map(({ code: what }) => what)).toEqual([
      { text: 'first' },
      { text: 'third' },
    ])
    expect(await readdir(drop)).toEqual(['refused'])
    expect(await readFile(join(drop, 'refused', name(2)), 'utf8')).toBe('{"resourceType":')
  })
})
