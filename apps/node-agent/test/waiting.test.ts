import { describe, expect, test, vi } from 'vitest'
import { dropFile, dropFolderOf } from '../src/drop-folder.js'
import { closedWords } from '../src/output/failure.js'
import { agent, startDaemon } from './support/agent.js'
import { startMock } from './support/mock.js'
import { observation, patient } from './support/samples.js'
import { tempDirectory } from './support/temp.js'

const stdin = JSON.stringify(patient)

describe('why something waits is told in words that help', () => {
  test('a server that takes the write and does not answer in time', async () => {
    const { mock, fhir } = await startMock()
    mock.faults.add({ method: 'POST', fault: { kind: 'hang' } })
    const place = ['--server', fhir, '--directory', await tempDirectory()]
    const sent = await agent(['send', '-', '--wait', '1', ...place], { stdin })
    expect(sent).toMatchObject({ code: 0, stdout: '1 accepted\n0 delivered, 1 waiting\n' })
    expect(sent.stderr).toBe(
      'Waiting because: the server had not answered when the time was over.\n' +
        '  It goes on with the next flush, send or run.\n',
    )
    mock.faults.clear()
    expect(await agent(['flush', ...place])).toMatchObject({ code: 0, stdout: '1 delivered\n' })
    expect(mock.state.resources('Patient')).toHaveLength(1)
  })

  test('time that was over while others were delivered', async () => {
    const { mock, fhir } = await startMock()
    mock.faults.add({ method: 'POST', skip: 1, fault: { kind: 'hang' } })
    const place = ['--server', fhir, '--directory', await tempDirectory()]
    const two = `${stdin}\n${JSON.stringify(observation('second'))}`
    const sent = await agent(['send', '-', '--wait', '1', ...place], { stdin: two })
    expect(sent.stdout).toBe('2 accepted\n1 delivered, 1 waiting\n')
    expect(sent.stderr).toContain('Waiting because: the time was over.\n')
  })

  test.each<[number, string]>([
    [429, 'The server is asked too often: wait.'],
    [503, 'The server is being restarted or overloaded: wait.'],
  ])('status %i', async (status, advice) => {
    const { mock, fhir } = await startMock()
    const issue = [{ severity: 'error', code: 'throttled', details: { text: 'Come back on Monday' } }]
    mock.faults.add({
      method: 'POST',
      fault: {
        kind: 'status',
        status,
        headers: { 'content-type': 'application/fhir+json', 'retry-after': '99999999999' },
        body: JSON.stringify({ resourceType: 'OperationOutcome', issue }),
      },
    })
    const directory = await tempDirectory()
    const place = ['--server', fhir, '--directory', directory]
    const sent = await agent(['send', '-', ...place], { stdin })
    expect(sent.code).toBe(0)
    expect(sent.stderr).toBe(
      `Waiting because: POST /fhir/Patient was answered with status ${status}. (ERR_HTTP)\n` +
        `  It says: Come back on Monday\n  ${advice}\n`,
    )
    const { stdout } = await agent(['explain', '1', '--directory', directory])
    expect(stdout).toContain('Said:   Come back on Monday\n')
    expect(stdout).toContain(`You:    ${advice}`)
  })
})

test('what is tried again beside a running agent is not said to be lost', async () => {
  const { mock, fhir } = await startMock()
  mock.faults.add({ method: 'POST', url: '/fhir/Patient', times: 1, fault: { kind: 'status', status: 429 } })
  mock.faults.add({ method: 'POST', url: '/fhir/Patient', times: Infinity, fault: { kind: 'hang' } })
  const directory = await tempDirectory()
  const daemon = startDaemon(['--server', fhir, '--directory', directory])
  await dropFile(dropFolderOf({ directory }), stdin)
  await daemon.event(({ event }) => event === 'closed')
  const posts = (): number =>
    mock.log.filter(({ method, url }) => method === 'POST' && url.includes('/Patient')).length
  await vi.waitFor(() => expect(posts()).toBe(2), { timeout: 15_000 })
  const { stdout } = await agent(['explain', '1', '--directory', directory])
  expect(stdout).toContain(
    'Why:    A request with it was begun, and its answer is not known yet. An earlier one failed: POST',
  )
  expect(stdout).not.toContain('was lost')
  expect(stdout).toContain('You:    nothing to do')
})

test('flush tries now what was put off, for a person asks', async () => {
  const { mock, fhir } = await startMock()
  mock.faults.add({ method: 'POST', times: 1, fault: { kind: 'cut-after' } })
  const place = ['--server', fhir, '--directory', await tempDirectory()]
  // It is put off for two seconds; then the server would be asked.
  expect(await agent(['send', '-', '--wait', '1', ...place], { stdin })).toMatchObject({
    stdout: '1 accepted\n0 delivered, 1 waiting\n',
  })
  expect(await agent(['flush', '--wait', '1', ...place])).toMatchObject({ code: 0, stdout: '1 delivered\n' })
  expect(mock.state.resources('Patient')).toHaveLength(1)
})

describe('a daemon says why it cannot deliver', () => {
  const gate = 'https://fhir.example.org/r4'

  test('to a person, without what the server said', () => {
    const failure = {
      code: 'ERR_HTTP',
      status: 429,
      message: 'PUT /r4/Patient/MARKER was answered with status 429.',
      issues: [{ code: 'throttled', text: 'MARKER' }],
    }
    expect(closedWords({ gate, failure, nextTrialInMs: 86_400_000 }, 3)).toBe(
      `${gate} cannot be delivered to now (ERR_HTTP, status 429); 3 waiting. It is tried again in 24 h.\n` +
        '  The server is asked too often: wait.',
    )
    expect(closedWords({ gate }, 1)).toBe(`${gate} cannot be delivered to now (unknown reason); 1 waiting.`)
  })

  test('to a program', async () => {
    const { mock, fhir } = await startMock()
    mock.faults.add({ times: Infinity, fault: { kind: 'outage' } })
    const directory = await tempDirectory()
    const daemon = startDaemon(['--server', fhir, '--directory', directory])
    await dropFile(dropFolderOf({ directory }), stdin)
    const closed = await daemon.event(({ event }) => event === 'closed')
    expect(closed).toMatchObject({ gate: fhir, code: 'ERR_HTTP', status: 400, waiting: 1 })
    expect(closed['nextTrialInMs']).toBeGreaterThan(0)
  })
})
