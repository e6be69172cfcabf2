// `pnpm mutate [--only NAME]`: does the proof notice? Takes one safeguard out of a copy of the source at a time and
// runs the tests that must turn red. Exits with 1 when a mutant survives, and when a snippet to replace is not there
// exactly once any more: then scripts/mutate/mutants.mjs must follow the source.
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { mutants } from './mutate/mutants.mjs'
import { root } from './workspace.mjs'

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: { only: { type: 'string' } },
})
const chosen = mutants.filter(({ name }) => values.only === undefined || name.includes(values.only))
if (chosen.length === 0) {
  console.error(
    `No mutant is called "${values.only}". There are:\n  ${mutants.map(({ name }) => name).join('\n  ')}`,
  )
  process.exit(2)
}

/** The source without what was built or installed; links to installed packages stay links. */
function copyOfTheTree() {
  const copy = mkdtempSync(join(tmpdir(), 'fhir-outbox-mutate-'))
  const skipped = new Set(['dist', '.cache', '.turbo', 'benchmarks', 'coverage'].map((name) => `/${name}`))
  const wanted = (path) => ![...skipped].some((end) => path.endsWith(end))
  for (const name of ['packages', 'scripts', 'vitest.config.ts', 'tsconfig.base.json', 'package.json']) {
    cpSync(join(root, name), join(copy, name), { recursive: true, verbatimSymlinks: true, filter: wanted })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** Runs tests in the copy: which failed, and whether any ran at all. */
async function runTests(copy, tests, pattern) {
  const report = join(copy, 'report.json')
  rmSync(report, { force: true })
  const child = spawn(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--project=node*',
      '--bail=1',
      '--reporter=json',
      `--outputFile=${report}`,
      ...(pattern === undefined ? [] : ['-t', pattern]),
      ...tests,
    ],
    { cwd: copy, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    errors += chunk
  })
  const code = await new Promise((resolve) => {
    child.on('close', resolve)
  })
  if (!existsSync(report)) return { code, ran: 0, failed: [], errors }
  const { numTotalTests, testResults } = JSON.parse(readFileSync(report, 'utf8'))
  const failed = testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
  )
  // A file that cannot even be loaded has no test that failed.
  const broken = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  )
  return {
    code,
    ran: numTotalTests,
    failed,
    errors: errors + broken.map(({ message }) => message).join('\n'),
  }
}

/** The mutated source, or why it cannot be made. */
function mutated(source, { replace, by }) {
  const count = source.split(replace).length - 1
  if (count !== 1) return { problem: `the snippet is there ${count} times, not once` }
  return { text: source.replace(replace, () => by) }
}

const copy = copyOfTheTree()
let survivors = 0
try {
  const files = [...new Set(chosen.flatMap(({ tests }) => tests))]
  const healthy = await runTests(copy, files)
  if (healthy.code !== 0) {
    console.error(`The tests are red without any mutation: ${healthy.failed[0] ?? healthy.errors}`)
    process.exitCode = 1
  } else {
    console.log(`green   nothing removed: ${healthy.ran} tests in ${files.length} files`)
    for (const mutant of chosen) {
      const path = join(copy, mutant.file)
      const source = readFileSync(path, 'utf8')
      const { text, problem } = mutated(source, mutant)
      if (problem !== undefined) {
        survivors += 1
        console.log(`BROKEN  ${mutant.name}: ${mutant.file}: ${problem}`)
        continue
      }
      writeFileSync(path, text)
      const { failed, ran, errors } = await runTests(copy, mutant.tests, mutant.pattern)
      writeFileSync(path, source)
      if (failed.length > 0) console.log(`red     ${mutant.name}: ${failed[0]}`)
      else {
        survivors += 1
        console.log(
          `SURVIVED ${mutant.name} (${ran} tests)${errors === '' ? '' : `: ${errors.slice(0, 500)}`}`,
        )
      }
    }
    console.log(`mutants=${chosen.length} survived=${survivors}`)
    if (survivors > 0) process.exitCode = 1
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
