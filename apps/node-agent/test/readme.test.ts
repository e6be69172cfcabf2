import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exitCodeTexts } from '../src/exit-codes.js'
import { agent, tempDirectory } from './support/agent.js'
import { startMock } from './support/mock.js'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
const [reading, config] = [...readme.matchAll(/```json\n(.*?)```/gs)].map(([, text]) => text ?? '')

test('the exit codes of the README are those of the command', () => {
  const rows = [...readme.matchAll(/^\| (\d) +\| (.*?) +\|$/gm)].map(([, code, text]) => [code, text])
  expect(Object.fromEntries(rows)).toEqual(exitCodeTexts)
})

test('the reading of the README is delivered', async () => {
  const { mock, fhir } = await startMock()
  const { code } = await agent(['send', '-', '--server', fhir, '--directory', await tempDirectory()], {
    stdin: reading ?? '',
  })
  expect(code).toBe(0)
  expect(mock.state.resources('Observation')).toHaveLength(2)
})

test('the config file of the README is understood', async () => {
  const directory = await tempDirectory()
  await writeFile(join(directory, 'config.json'), config ?? '')
  const { code, stderr } = await agent(
    ['send', '-', '--dry-run', '--config', join(directory, 'config.json')],
    {
      stdin: reading ?? '',
    },
  )
  // Every setting is known; the first thing that is missing is the key.
  expect(stderr).toContain(
    `The file with the private key, ${join(directory, 'gateway-7.jwk.json')}, cannot be read.`,
  )
  expect(code).toBe(3)
})
