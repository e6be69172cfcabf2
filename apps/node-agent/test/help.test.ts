import { describe, expect, test } from 'vitest'
import { agent } from './support/agent.js'

/** Every command but the mock's, which has a help of its own, and those with commands of their own. */
const commands = [
  'send',
  'run',
  'flush',
  'doctor',
  'status',
  'fsck',
  'list',
  'show',
  'explain',
  'receipts',
  'dead-letters',
  'dead-letters list',
  'dead-letters redrive',
  'dead-letters discard',
  'dead-letters assume-delivered',
  'withdraw',
  'keys',
  'keys generate',
  'keys rotate',
  'keys show',
  'login',
  'logout',
  'register',
  'whoami',
  'demo',
]

const helpOf = async (command: string): Promise<string> =>
  (await agent([...command.split(' ').filter((word) => word !== ''), '--help'])).stdout

/** Names of the commands in a help. */
function listed(help: string): readonly string[] {
  const [, after = ''] = help.split('\nCommands:\n')
  const [lines = ''] = after.split('\n\n')
  return [...lines.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = '']) => name)
}

describe('help', () => {
  test('is there for every command that the program lists', async () => {
    const tops = listed(await helpOf('')).filter((name) => !['help', 'mock'].includes(name))
    expect([...new Set(commands.map((command) => command.split(' ')[0]))]).toEqual(tops)
    for (const parent of ['dead-letters', 'keys']) {
      const children = listed(await helpOf(parent)).filter((name) => name !== 'help')
      expect(commands.filter((command) => command.startsWith(`${parent} `))).toEqual(
        children.map((child) => `${parent} ${child}`),
      )
    }
  })

  test.each(commands)('of %s ends with examples whose flags are there', async (command) => {
    const help = await helpOf(command)
    const [, text = ''] = help.split('\nExamples:\n')
    const [lines = ''] = text.split('\n\n')
    const examples = lines.split('\n')
    expect(examples.length).toBeGreaterThan(0)
    for (const example of examples) {
      expect(example).toContain(`fhir-outbox ${command}`)
      for (const [flag] of example.matchAll(/--[a-z-]+/g))
        expect(help.split('\nExamples:')[0]).toContain(flag)
    }
  })

  test('an error names the help of the command that it is about', async () => {
    expect((await agent(['send'])).stderr).toContain('Try "fhir-outbox send --help".')
    expect((await agent(['dead-letters', 'redrive', '1'])).stderr).toContain(
      'Try "fhir-outbox dead-letters redrive --help".',
    )
    expect((await agent(['sned'])).stderr).toContain('Try "fhir-outbox --help".')
  })
})
