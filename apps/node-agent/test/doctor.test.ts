import { expect, test } from 'vitest'
import { agent, tempDirectory } from './support/agent.js'
import { startMock } from './support/mock.js'
import { observation } from './support/samples.js'

test('tells what the server can do and what follows, without writing anything', async () => {
  const { mock, fhir } = await startMock()
  const told = await agent([
    'doctor',
    '--server',
    fhir,
    '--directory',
    await tempDirectory(),
    '--types',
    'Observation',
  ])
  expect(told.code).toBe(0)
  expect(told.stdout).toMatch(/Statement: {2}read/)
  expect(told.stdout).toMatch(/Observation: +conditional-create \(once\)\. The server says/)
  expect(mock.state.commits).toHaveLength(0)
})

test('tries the server out when asked, leaves nothing there, and speaks JSON', async () => {
  const { mock, fhir } = await startMock()
  const directory = await tempDirectory()
  const told = await agent(['doctor', '--server', fhir, '--directory', directory, '--try', '--json'])
  expect(told.code).toBe(0)
  expect(JSON.parse(told.stdout)).toMatchObject({
    event: 'diagnosis',
    evidence: {
      canaries: { conditionalCreate: true, clientIds: true, ifNoneMatch: true, transaction: true },
    },
    types: { Observation: { name: 'put-if-none-match', guarantee: 'once' } },
    bundling: { transactions: true },
  })
  expect(mock.state.resources('Basic')).toHaveLength(0)
})

test('explain says how an entry travelled and where it is', async () => {
  const { fhir } = await startMock()
  const directory = await tempDirectory()
  await agent(['send', '-', '--server', fhir, '--directory', directory], {
    stdin: JSON.stringify(observation('fine')),
  })
  const { stdout } = await agent(['explain', '1', '--directory', directory])
  expect(stdout).toMatch(/How: {4}It travelled under the plan conditional-create\./)
  expect(stdout).toMatch(/The server has it as Observation\/[^,]+, version 1\./)
})
