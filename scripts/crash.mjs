// `pnpm crash`: bundles the victim and its killer on the packages' source and lets them meet; with `--disk`, the
// power cuts on a simulated disk.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { bundle } from './run-source.mjs'

const folder = await bundle(
  process.argv.includes('--disk')
    ? { main: 'scripts/crash/disk.ts' }
    : { main: 'scripts/crash/main.ts', child: 'scripts/crash/child.ts' },
)
const child = spawn(process.execPath, [join(folder, 'main.mjs'), ...process.argv.slice(2)], {
  stdio: 'inherit',
})
child.on('close', (code) => {
  rmSync(folder, { recursive: true, force: true })
  process.exitCode = code ?? 1
})
