// `pnpm bench [name] [--json] [--quick]`: benchmarks on the packages' source, beside rivals with a lockfile of their own.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'tsup'
import { findChromium } from './find-chromium.mjs'
import { bundle } from './run-source.mjs'
import { root } from './workspace.mjs'

const home = join(root, 'packages', 'benchmarks')
const all = readdirSync(join(home, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
const [first, ...rest] = process.argv.slice(2).filter((argument) => argument !== '--')
const named = first !== undefined && !first.startsWith('--')
const names = named ? [first] : all.map(({ name }) => name)
const flags = named || first === undefined ? rest : [first, ...rest]

if (!existsSync(join(home, 'node_modules'))) {
  console.error('Installing the rivals; one of them is compiled, which takes a minute or two.')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: home,
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) process.exit(status ?? 1)
}
const rivals = Object.keys(
  JSON.parse(await (await import('node:fs/promises')).readFile(join(home, 'package.json'), 'utf8'))
    .dependencies,
)

/** What a benchmark runs inside a browser: its rivals are bundled, too. */
async function bundlePage(name, outDir) {
  await build({
    config: false,
    entry: { page: join(home, 'src', name, 'page.ts') },
    outDir,
    format: ['iife'],
    target: 'es2022',
    platform: 'browser',
    noExternal: [/.*/],
    define: { 'process.env.NODE_ENV': '"production"' },
    silent: true,
    tsconfig: join(root, 'tsconfig.base.json'),
    esbuildOptions(options) {
      options.conditions = ['@fhir-outbox/source']
    },
  })
}

for (const name of names) {
  if (!all.some((entry) => entry.name === name)) {
    console.error(`There is no benchmark "${name}"; there are: ${all.map((entry) => entry.name).join(', ')}.`)
    process.exit(2)
  }
  const folder = await bundle(
    { main: `packages/benchmarks/src/${name}/main.ts` },
    { external: [...rivals, 'playwright'], into: home },
  )
  if (existsSync(join(home, 'src', name, 'page.ts'))) await bundlePage(name, folder)
  const child = spawn(process.execPath, ['--expose-gc', join(folder, 'main.mjs'), ...flags], {
    stdio: 'inherit',
    env: { CHROMIUM_PATH: findChromium(), ...process.env },
  })
  const code = await new Promise((resolve) => {
    child.on('close', resolve)
  })
  rmSync(folder, { recursive: true, force: true })
  if (code !== 0) process.exit(code ?? 1)
}
