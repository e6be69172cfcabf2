// Runs a TypeScript entry on the packages' source, without building them: `node scripts/run-source.mjs ENTRY ARGS…`.
// Also used by what starts such an entry as a process of its own (`bundle`).
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'tsup'
import { root } from './workspace.mjs'

/**
 * Bundles entries with everything they import into one folder; the caller removes it.
 * @param {Record<string, string>} entry name → path from the repository root
 * @param {{ external?: string[], into?: string }} [options] what is not bundled but installed, and where it is
 * @returns {Promise<string>} the folder
 */
export async function bundle(entry, { external = [], into = root } = {}) {
  const cache = join(into, '.cache')
  mkdirSync(cache, { recursive: true })
  const outDir = mkdtempSync(join(cache, 'run-'))
  await build({
    config: false,
    entry: Object.fromEntries(Object.entries(entry).map(([name, path]) => [name, join(root, path)])),
    outDir,
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    external,
    noExternal: [external.length === 0 ? /.*/ : new RegExp(`^(?!(${external.join('|')})(/|$))`)],
    silent: true,
    splitting: false,
    outExtension: () => ({ js: '.mjs' }),
    tsconfig: join(root, 'tsconfig.base.json'),
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    esbuildOptions(options) {
      options.conditions = ['@fhir-outbox/source']
    },
  })
  return outDir
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [entry, ...args] = process.argv.slice(2)
  const folder = await bundle({ main: entry })
  const child = spawn(process.execPath, [join(folder, 'main.mjs'), ...args], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('close', (code) => {
    rmSync(folder, { recursive: true, force: true })
    process.exitCode = code ?? 1
  })
}
