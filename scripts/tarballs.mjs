// Packs every package as npm would get it, installs each tarball alone in a scratch project and imports it.
// `--lint` looks at the tarballs (publint, are-the-types-wrong) instead of installing them.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageFolders, root } from './workspace.mjs'

const scratch = mkdtempSync(join(tmpdir(), 'fhir-outbox-tarballs-'))
const lintOnly = process.argv.includes('--lint')
let failed = 0
let passed = 0

function run(command, args, cwd) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  return { ok: status === 0, output: `${stdout}${stderr}` }
}

function report(what, { ok, output }) {
  if (ok) passed += 1
  else {
    failed += 1
    console.error(`${what} failed\n${output}`)
  }
}

try {
  const packages = packageFolders()
    .map((folder) => ({
      folder,
      manifest: JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')),
    }))
    .filter(({ manifest }) => manifest.private !== true)
  const tarballs = {}
  for (const { folder, manifest } of packages) {
    const packed = run('pnpm', ['pack', '--json', '--pack-destination', scratch], join(root, folder))
    if (!packed.ok) throw new Error(packed.output)
    tarballs[manifest.name] = JSON.parse(packed.output.slice(packed.output.indexOf('{'))).filename
  }
  const overrides = Object.fromEntries(Object.entries(tarballs).map(([name, path]) => [name, `file:${path}`]))
  const bin = (name) => join(root, 'node_modules', '.bin', name)
  for (const { manifest } of packages) {
    const { name } = manifest
    const tarball = tarballs[name]
    if (lintOnly) {
      report(`publint ${name}`, run(bin('publint'), ['run', tarball, '--strict'], root))
      if (manifest.exports !== undefined && Object.keys(manifest.exports).length > 1) {
        report(`attw ${name}`, run(bin('attw'), [tarball, '--profile', 'esm-only'], root))
      }
      continue
    }
    const project = join(scratch, name.replace('/', '-'))
    mkdirSync(project)
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({
        private: true,
        type: 'module',
        dependencies: { [name]: `file:${tarball}` },
        pnpm: { overrides: { ...overrides, 'msw>@inquirer/confirm': '-' } },
      }),
    )
    // An empty settings file keeps pnpm from looking for a workspace above the scratch folder.
    writeFileSync(join(project, 'pnpm-workspace.yaml'), 'packages: []\n')
    const install = [
      'install',
      '--prefer-offline',
      '--ignore-scripts',
      '--config.manage-package-manager-versions=false',
    ]
    const installed = run('pnpm', install, project)
    report(`install ${name}`, installed)
    if (!installed.ok) continue
    for (const subpath of Object.keys(manifest.exports ?? {})) {
      if (subpath === './package.json') continue
      const specifier = name + subpath.slice(1)
      const code = `const m = await import('${specifier}'); if (Object.keys(m).length === 0) throw new Error('nothing exported')`
      report(`import ${specifier}`, run(process.execPath, ['--input-type=module', '-e', code], project))
    }
    for (const command of Object.keys(manifest.bin ?? {})) {
      report(`${command} --help`, run(join(project, 'node_modules', '.bin', command), ['--help'], project))
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
console.log(`tarballs: ${passed} passed, ${failed} failed`)
if (failed > 0) process.exit(1)
