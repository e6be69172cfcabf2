// `pnpm check`: everything about the code that needs no test run. Prints a line per step and stops at the first
// that fails, so that the last lines on the screen are the ones to read.
import { spawnSync } from 'node:child_process'
import { root } from './workspace.mjs'

const steps = [
  ['types', 'turbo', ['run', 'typecheck', '--output-logs=errors-only']],
  ['types of tests', 'tsc', ['-p', 'tsconfig.tests.json']],
  ['lint', 'oxlint', ['--deny-warnings']],
  ['format', 'prettier', ['--check', '.', '--log-level', 'warn']],
  ['import law', 'node', ['scripts/check-imports.mjs']],
  ['unused code', 'knip', []],
  ['examples', 'node', ['scripts/check-examples.mjs']],
  ['changesets', 'changeset', ['status']],
  ['build', 'turbo', ['run', 'build', '--output-logs=errors-only']],
  ['packages', 'node', ['scripts/tarballs.mjs', '--lint']],
  ['sizes', 'size-limit', ['--silent']],
]

for (const [name, command, args] of steps) {
  const started = Date.now()
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
  })
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`)
  if (status !== 0) {
    console.log(stdout + stderr)
    process.exit(1)
  }
}
