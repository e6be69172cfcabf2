// The import law: which package may import what. Foundations know no neighbour, adapters know queue-core,
// the judge knows nothing it judges, and universal code touches no platform.
import { readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import ts from 'typescript'
import { packageFolders, root, sourceFiles } from './workspace.mjs'

const scope = '@fhir-outbox/'
const foundations = [
  'queue-core',
  'fhir-client',
  'fhir-bundles',
  'envelope-crypto',
  'smart-auth',
  'mock-server',
]
const adapters = ['storage-fs', 'storage-idb', 'storage-postgres']
const facade = ['queue-core', 'fhir-client', 'fhir-bundles', 'envelope-crypto', 'smart-auth']

/** Workspace packages that a package's source may import; apps compose whatever they like. */
function allowed(name) {
  if (foundations.includes(name)) return []
  if (adapters.includes(name)) return ['queue-core']
  if (name === 'fhir-export') return ['fhir-client']
  if (name === 'data-queue') return facade
  return undefined
}

/** Places where `node:` may be imported: adapters for Node, `/node` rooms, executables, one listener. */
function mayUseNode(folder, file) {
  if (folder.startsWith('apps/')) return true
  if (folder === 'packages/storage-fs') return true
  return /^src\/(node\/|bin\.ts$|listen\.ts$)/.test(file)
}

const problems = []
for (const folder of packageFolders()) {
  const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
  const name = manifest.name.slice(scope.length)
  const neighbours = allowed(name)
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies }
  if (neighbours !== undefined) {
    for (const dependency of Object.keys(declared)) {
      if (dependency.startsWith(scope) && !neighbours.includes(dependency.slice(scope.length))) {
        problems.push(`${folder}/package.json depends on ${dependency}, which its room may not know`)
      }
    }
  }
  for (const path of sourceFiles(join(folder, 'src'))) {
    const file = relative(join(root, folder), path).split(sep).join('/')
    const at = `${folder}/${file}`
    const { importedFiles } = ts.preProcessFile(readFileSync(path, 'utf8'), true, true)
    for (const { fileName: target } of importedFiles) {
      if (target.startsWith('.')) continue
      if (target.startsWith('node:')) {
        if (!mayUseNode(folder, file))
          problems.push(`${at} imports ${target}, but it must run in browsers too`)
        continue
      }
      if (target.startsWith(scope)) {
        const neighbour = target.slice(scope.length).split('/')[0]
        if (neighbours !== undefined && !neighbours.includes(neighbour)) {
          problems.push(`${at} imports ${target}, which its room may not know`)
        }
      }
      const dependency = target.startsWith('@')
        ? target.split('/').slice(0, 2).join('/')
        : target.split('/')[0]
      if (declared[dependency] === undefined)
        problems.push(`${at} imports ${target}, which is not a dependency`)
    }
  }
}

if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exit(1)
}
