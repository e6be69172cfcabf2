import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { agent, type Result } from './support/agent.js'
import { startMock } from './support/mock.js'
import { collection, observation } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

/** A queue with one delivered entry (1) and one dead letter (2), whose content holds a marker. */
async function queueWithDeadLetter(): Promise<{
  readonly directory: string
  readonly server: readonly string[]
  readonly mock: Awaited<ReturnType<typeof startMock>>['mock']
}> {
  const { mock, fhir } = await startMock()
  const directory = await tempDirectory()
  const server = ['--server', fhir, '--directory', directory]
  await agent(['send', '-', ...server], { stdin: JSON.stringify(observation('fine')) })
  const body = JSON.stringify({
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'error', code: 'invariant', diagnostics: 'Code is required.' }],
  })
  mock.faults.add({ method: 'POST', url: '/fhir/Observation', fault: { kind: 'status', status: 422, body } })
  await agent(['send', '-', ...server], { stdin: JSON.stringify(observation('MARKER-content')) })
  return { directory, server, mock }
}

describe('a dead letter', () => {
  test('is listed with what the server said, and explained with the way out', async () => {
    const { directory } = await queueWithDeadLetter()
    const listed = await agent(['dead-letters', '--directory', directory])
    expect(listed.code).toBe(0)
    expect(listed.stdout).toMatch(/^2 {2}POST \/Observation .*422/)
    expect(listed.stdout).toContain('Code is required.')
    const explained = await agent(['explain', '2', '--directory', directory])
    expect(explained.stdout).toMatch(/Why: {4}The server refused it\./)
    expect(explained.stdout).toMatch(/rejected {2}ERR_HTTP, status 422/)
    expect(explained.stdout).toContain('dead-letters redrive 2')
  })

  test('is delivered after a redrive, and its key stays', async () => {
    const { directory, server, mock } = await queueWithDeadLetter()
    const decided = await agent([
      'dead-letters',
      'redrive',
      '2',
      '--reason',
      'server mended',
      '--actor',
      'ada',
      '--directory',
      directory,
    ])
    expect(decided).toMatchObject({
      code: 0,
      stdout: '2 waits again; it goes with the next flush, send or run\n',
    })
    expect((await agent(['explain', '2', '--directory', directory])).stdout).toContain(
      'redrive  by ada, server mended',
    )
    expect(await agent(['flush', ...server])).toMatchObject({ code: 0 })
    expect(mock.state.resources('Observation')).toHaveLength(2)
  })

  test('can be discarded, with a reason that stays', async () => {
    const { directory } = await queueWithDeadLetter()
    const discard = ['dead-letters', 'discard', '2', '--directory', directory, '--reason', 'a test entry']
    expect(await agent(discard)).toMatchObject({ code: 0, stdout: '2 discarded\n' })
    const again = [...discard.slice(0, -1), 'another reason', '--actor', 'ada']
    expect((await agent(again)).stdout).toMatch(/^2 discarded; so decided before, by (?!ada)/)
    const shown = (await agent(['show', '2', '--directory', directory])).stdout
    expect(shown).not.toContain('another reason')
    expect(shown).toContain('a test entry')
    expect(await agent(['dead-letters', '--directory', directory])).toMatchObject({ code: 0, stdout: '' })
  })

  test('can be taken for delivered by who has seen it at the server', async () => {
    const { directory, server } = await queueWithDeadLetter()
    const seen = ['dead-letters', 'assume-delivered', '2', '--directory', directory, '--reason', 'seen there']
    expect(await agent(seen)).toMatchObject({ code: 0, stdout: '2 counts as delivered\n' })
    expect((await agent(['explain', '2', '--directory', directory])).stdout).toContain(
      'said that it was delivered: seen there',
    )
    expect(await agent(['flush', ...server])).toMatchObject({ code: 0, stdout: '0 delivered\n' })
    expect((await agent(['show', '2', '--content', '--directory', directory])).stdout).toContain(
      'Its content is gone',
    )
  })

  test('is not decided about without a reason', async () => {
    const { directory } = await queueWithDeadLetter()
    const { code, stderr } = await agent(['dead-letters', 'discard', '2', '--directory', directory])
    expect(code).toBe(2)
    expect(stderr).toContain('--reason')
  })
})

describe('a decision about several', () => {
  test('goes on after one that fails, and can be repeated', async () => {
    const directory = await tempDirectory()
    const stdin = JSON.stringify(collection(observation('a'), observation('b'), observation('c')))
    const server = ['--server', 'http://127.0.0.1:9/fhir', '--wait', '0']
    await agent(['send', '-', ...server, '--directory', directory], { stdin })
    const withdraw = (...more: string[]): Promise<Result> =>
      agent(['withdraw', ...more, '--actor', 'ada', '--reason', 'gone', '--directory', directory])
    const first = await withdraw('1', '99', '1', '2')
    expect(first).toMatchObject({ code: 2, stdout: '1 withdrawn\n2 withdrawn\n' })
    expect(first.stderr).toContain('there is no entry 99')
    const again = await withdraw('1', '99', '2', '3', '--json')
    expect(again.code).toBe(2)
    const decided = { event: 'decided', decision: 'withdraw', actor: 'ada' }
    expect(again.events()).toEqual([
      { ...decided, sequence: 1, already: true },
      expect.objectContaining({ event: 'error', sequence: 99, code: 'ERR_NO_SUCH_ENTRY' }),
      { ...decided, sequence: 2, already: true },
      { ...decided, sequence: 3 },
    ])
    expect(await withdraw('1', '2', '3')).toMatchObject({ code: 0, stderr: '' })
  })

  test('ends with the first failure, and takes no other decision for its own', async () => {
    const { directory, mock, server } = await queueWithDeadLetter()
    const decide = (kind: string, ...more: string[]): Promise<Result> =>
      agent(['dead-letters', kind, ...more, '--actor', 'ada', '--reason', 'mended', '--directory', directory])
    expect(await decide('redrive', '2')).toMatchObject({ code: 0 })
    expect((await decide('redrive', '2')).stdout).toMatch(/^2 waits again; .*; so decided before, by ada\n$/)
    mock.faults.add({ method: 'POST', url: '/fhir/Observation', fault: { kind: 'status', status: 401 } })
    expect(await agent(['flush', ...server])).toMatchObject({ code: 6 })
    expect((await decide('redrive', '2')).stdout).toContain('so decided before, by ada')
    const discarded = await decide('discard', '2', '1')
    expect(discarded).toMatchObject({ code: 2, stdout: '' })
    expect(discarded.stderr).toMatch(/entry 2 is waiting, .*\n.*\n.*entry 1 is delivered, /)
    // The server has said so, and nobody's word is needed.
    expect(await decide('assume-delivered', '1')).toMatchObject({ code: 2 })
  })
})

describe('show and receipts', () => {
  test('show never prints content, unless it is asked to', async () => {
    const { directory } = await queueWithDeadLetter()
    const shown = await agent(['show', '2', '--directory', directory])
    expect(shown.stdout).toMatch(/^2 {2}dead \(rejected\)\n {2}POST \/Observation to http/)
    expect(shown.stdout).not.toContain('MARKER')
    expect((await agent(['show', '2', '--content', '--directory', directory])).stdout).toContain(
      'MARKER-content',
    )
  })

  test('receipts tell where a delivered entry is', async () => {
    const { directory, mock } = await queueWithDeadLetter()
    const id = String(mock.state.resources('Observation')[0]?.id)
    const { stdout } = await agent(['receipts', '--json', '--directory', directory])
    expect(JSON.parse(stdout)).toMatchObject({
      event: 'receipt',
      sequence: 1,
      status: 201,
      id: `Observation/${id}`,
    })
    expect((await agent(['explain', '1', '--directory', directory])).stdout).toMatch(
      /Why: {4}It was delivered at /,
    )
  })

  test('an entry that is not there is exit 2 and one sentence', async () => {
    const { directory } = await queueWithDeadLetter()
    for (const command of ['show', 'explain']) {
      const { code, stderr } = await agent([command, '99', '--directory', directory])
      expect(code).toBe(2)
      expect(stderr).toContain('There is no entry 99.')
    }
    expect(await agent(['show', 'x', '--directory', directory])).toMatchObject({ code: 2 })
  })
})

test('fsck finds a damaged record, says so with exit 4, and changes nothing', async () => {
  const { directory } = await queueWithDeadLetter()
  const queue = join(directory, 'queue')
  expect(await agent(['fsck', '--directory', directory])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/No damage\.\n$/),
  })
  const damaged = await flipContent(queue, 'MARKER-content')
  const { code, stdout } = await agent(['fsck', '--directory', directory])
  expect(code).toBe(4)
  expect(stdout).toContain('unreadable entries: 2')
  expect(await readFile(damaged.path)).toEqual(damaged.bytes)
})

/** Changes one byte where the marker stands in a log file. */
async function flipContent(queue: string, marker: string): Promise<{ path: string; bytes: Buffer }> {
  for (const name of await readdir(queue)) {
    const path = join(queue, name)
    if (!(await stat(path)).isFile()) continue
    const bytes = await readFile(path)
    const at = bytes.indexOf(marker)
    if (at === -1) continue
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
    await writeFile(path, bytes)
    return { path, bytes }
  }
  throw new Error('The marker is in no file.')
}

test('looking at a queue that does not exist makes none', async () => {
  const directory = await tempDirectory()
  expect((await agent(['status', '--directory', directory])).stdout).toBe(`${directory}: no queue yet.\n`)
  for (const command of [['list'], ['dead-letters'], ['receipts'], ['fsck'], ['keys', 'show']])
    await agent([...command, '--directory', directory])
  expect(await agent(['show', '1', '--directory', directory])).toMatchObject({ code: 2 })
  expect(await agent(['fsck', '--directory', directory])).toMatchObject({
    code: 4,
    stderr: expect.stringContaining(`There is no queue in ${directory}.`) as unknown,
  })
  expect(await readdir(directory)).toEqual([])
})
