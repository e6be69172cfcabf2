import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { transcript, type Transcript } from './transcript.js'

const source = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** Builds the command from its sources before the tests of a file; the function it returns tells where it is. */
export function bundledAgent(): () => string {
  let directory = ''
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'fhir-outbox-bundle-'))
    await build({
      entry: [source],
      outDir: directory,
      config: false,
      silent: true,
      format: 'esm',
      platform: 'node',
      target: 'es2022',
      noExternal: [/.*/],
      splitting: false,
      dts: false,
      outExtension: () => ({ js: '.mjs' }),
      // What is CommonJS inside asks for Node's modules by require.
      banner: {
        js: "import { createRequire as _require } from 'node:module'; const require = _require(import.meta.url);",
      },
      esbuildOptions(options) {
        options.conditions = ['@fhir-outbox/source']
      },
    })
  }, 60_000)
  afterAll(() => rm(directory, { recursive: true, force: true }))
  return () => join(directory, 'cli.mjs')
}

export interface AgentProcess extends Transcript {
  readonly pid: number
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** Starts the command as a process of its own; it never outlives the test. */
export function startProcess(script: string, args: readonly string[]): AgentProcess {
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: plainEnvironment(),
  })
  const { told, hear, end } = transcript()
  child.stdout.setEncoding('utf8').on('data', (text: string) => hear('stdout', text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => hear('stderr', text))
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => {
      resolve({ code, signal })
      end()
    })
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { pid: child.pid ?? 0, ...told, kill: (signal) => void child.kill(signal), ended }
}

/** Without settings of whoever runs the tests. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FHIR_OUTBOX_')))
}
