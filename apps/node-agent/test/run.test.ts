import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { dropFile } from '../src/drop-folder.js'
import { agent, counters, startDaemon } from './support/agent.js'
import { closedPort, startMock } from './support/mock.js'
import { bundledAgent, startProcess } from './support/process.js'
import { collection, observation, patient, reading } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

describe('fhir-outbox run', () => {
  test('takes what others send while the server is down, and delivers it with no further command', async () => {
    const { fhir, open } = await closedPort()
    const directory = await tempDirectory()
    const args = ['--server', fhir, '--directory', directory]
    const daemon = startDaemon(args)
    await daemon.event(({ event }) => event === 'opened')

    const contents = [collection(observation('one'), observation('two')), reading(), patient]
    const files = contents.map((_content, index) => join(directory, `input-${index}.json`))
    for (const [index, file] of files.entries()) await writeFile(file, JSON.stringify(contents[index]))
    const sender = await agent(['send', ...files, ...args])
    expect(sender.code).toBe(0)
    expect(sender.stdout).toBe(
      files
        .map(
          (file, index) =>
            `${file}: handed to the process that owns the queue (${[2, 1, 1][index]} to deliver)\n`,
        )
        .join(''),
    )
    await daemon.event(({ event, accepted }) => event === 'accepted' && accepted === 2)
    await daemon.event(({ event }) => event === 'closed')

    const mock = await open()
    for (const sequence of [1, 2, 3, 4])
      await daemon.event((said) => said['event'] === 'delivered' && said['sequence'] === sequence)
    expect(mock.state.commits.map(({ type }) => type)).toEqual([
      'Observation',
      'Observation',
      // The bundle of the reading, then the patient that came last.
      ...mock.state.commits.slice(2, -1).map(({ type }) => type),
      'Patient',
    ])
    expect(mock.state.resources('Device')).toHaveLength(2)
    expect(mock.state.resources('Observation')).toHaveLength(4)
    expect(await readdir(join(directory, 'drop'))).toEqual([])

    expect(await daemon.stop()).toBe(0)
    expect(daemon.stdout().trimEnd().split('\n').at(-1)).toBe('{"event":"stopped"}')
    expect(await counters(directory)).toMatchObject({ accepted: 4, delivered: 4, waiting: 0 })
  })

  test('a dropped file that is wrong is refused, told, and stops nobody', async () => {
    const { mock, fhir } = await startMock()
    const directory = await tempDirectory()
    const drop = join(directory, 'drop')
    const name = await dropFile(drop, '{"resourceType":"Bundle","type":"batch"}')
    await dropFile(drop, JSON.stringify(patient))
    const daemon = startDaemon(['--server', fhir, '--directory', directory])
    await daemon.event(({ event }) => event === 'delivered')
    expect(await daemon.event(({ event }) => event === 'file-refused')).toEqual({
      event: 'file-refused',
      file: name,
      code: 'ERR_BAD_INPUT',
    })
    expect(mock.state.resources('Patient')).toHaveLength(1)
    expect((await readdir(join(drop, 'refused'))).sort()).toEqual([name, `${name}.reason.txt`])
    expect(daemon.stderr()).toContain('"msg":"file refused"')
  })
})

/** What only processes of their own can show; the command is built once for all of them. */
const script = bundledAgent()

test('the demo keeps its promise, as counted at the server', { timeout: 60_000 }, async () => {
  const shown = startProcess(script(), ['demo', '--seed', '42'])
  const { code } = await shown.ended
  expect(shown.stderr()).toBe('')
  const lines = shown.stdout().trimEnd().split('\n')
  expect(lines.at(-1)).toBe('accepted=100 delivered=100 dead=0 lost=0 duplicated=0 out-of-order=0')
  expect(code).toBe(0)
  expect(shown.stdout()).toContain(
    '3 replies were lost after commit. Asked the server: already there, 3 times.',
  )
  expect(shown.stdout().match(/Reopened: 0 lost\./g)).toHaveLength(2)
  expect(Number(/cut: (\d+) waiting/.exec(shown.stdout())?.[1])).toBeGreaterThan(30)
  // It fits on a screen of 80 by 24, prompt included.
  expect(lines.length).toBeLessThanOrEqual(23)
  expect(lines.filter((line) => line.length > 80)).toEqual([])
})

describe('fhir-outbox run, as a process of its own', () => {
  test('stops by SIGTERM with 0 while the server is down, and keeps what waits', async () => {
    const { fhir } = await closedPort()
    const directory = await tempDirectory()
    const args = ['--server', fhir, '--directory', directory]
    await agent(['send', '-', ...args], { stdin: JSON.stringify(patient) })
    const daemon = startProcess(script(), ['run', '--json', ...args])
    expect(await daemon.event(({ event }) => event === 'closed')).toEqual({
      event: 'closed',
      gate: fhir,
      code: 'ERR_CONNECT',
      nextTrialInMs: expect.any(Number) as number,
      needsPerson: false,
      waiting: 1,
    })
    const second = await agent(['flush', ...args])
    expect(second.code).toBe(5)
    expect(second.stderr).toContain(`${join(directory, 'queue')} is in use by pid ${daemon.pid}.`)
    daemon.kill('SIGTERM')
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    expect(await counters(directory)).toMatchObject({ accepted: 1, waiting: 1, dead: 0 })
  })

  // What fails is the file system of that process alone.
  test.skipIf(!existsSync('/usr/bin/prlimit'))(
    'opens its queue again after the disk has failed, and goes on by itself',
    async () => {
      const { mock, fhir } = await startMock()
      const directory = await tempDirectory()
      const daemon = startProcess(script(), ['run', '--json', '--server', fhir, '--directory', directory])
      await daemon.event(({ event }) => event === 'opened')
      const files = (limit: string): unknown =>
        execFileSync('/usr/bin/prlimit', ['--pid', String(daemon.pid), `--fsize=${limit}:unlimited`])
      files('512')
      await dropFile(join(directory, 'drop'), JSON.stringify(patient))
      expect(await daemon.event(({ event }) => event === 'storage-failed')).toMatchObject({
        code: 'ERR_STORAGE_FAILED',
        retryInMs: 1_000,
      })
      // It can be opened, and fails again with the next write: that is no reason to try every second for ever.
      await daemon.event(({ event, retryInMs }) => event === 'storage-failed' && retryInMs === 2_000)
      files('unlimited')
      await daemon.event(({ event }) => event === 'delivered')
      expect(mock.state.resources('Patient')).toHaveLength(1)
      expect(await readdir(join(directory, 'drop'))).toEqual([])
      daemon.kill('SIGTERM')
      expect(await daemon.ended).toEqual({ code: 0, signal: null })
      expect(await counters(directory)).toMatchObject({ accepted: 1, delivered: 1, quarantined: 0 })
    },
  )

  test('a killed agent has lost nothing and doubles nothing', async () => {
    const { mock, fhir } = await startMock()
    const directory = await tempDirectory()
    const args = ['run', '--json', '--server', fhir, '--directory', directory]
    // The reply to the second resource is lost after the commit, and the agent is killed at that moment.
    const fault = mock.faults.add({ method: 'POST', url: '/fhir', skip: 1, fault: { kind: 'cut-after' } })
    const drop = join(directory, 'drop')
    for (const text of ['one', 'two', 'three']) await dropFile(drop, JSON.stringify(observation(text)))
    const first = startProcess(script(), args)
    await first.event(({ event }) => event === 'unknown')
    first.kill('SIGKILL')
    await first.ended
    expect(fault.hits).toBe(1)
    expect(mock.state.resources('Observation')).toHaveLength(2)

    const second = startProcess(script(), args)
    const { unknown, waiting } = await second.event(({ event }) => event === 'opened')
    // The third one may have been about to leave.
    expect([1, 2]).toContain(unknown)
    expect(waiting).toBe(2)
    await second.event(({ event, sequence }) => event === 'delivered' && sequence === 3)
    second.kill('SIGINT')
    expect((await second.ended).code).toBe(0)
    expect(mock.state.resources('Observation').map(({ code }) => code)).toEqual([
      { text: 'one' },
      { text: 'two' },
      { text: 'three' },
    ])
    expect(await counters(directory)).toMatchObject({ accepted: 3, delivered: 3 })
  })
})
