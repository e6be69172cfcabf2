// Compiles every ```ts block of every README and page under docs/, each as a module of its own.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { packageFolders, root } from './workspace.mjs'

const out = join(root, '.cache', 'examples')
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })

const pages = [
  'README.md',
  ...packageFolders().map((folder) => `${folder}/README.md`),
  ...readdirSync(join(root, 'docs'), { recursive: true })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
].filter((page) => existsSync(join(root, page)))

let examples = 0
for (const page of pages) {
  const text = readFileSync(join(root, page), 'utf8')
  for (const [, code] of text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
    examples += 1
    const name = `${page.replaceAll(/[^A-Za-z0-9]+/g, '-')}-${examples}.ts`
    writeFileSync(join(out, name), `${code}\nexport {}\n`)
  }
}

const paths = {}
for (const folder of packageFolders()) {
  const { name, exports = {} } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
  for (const [subpath, target] of Object.entries(exports)) {
    const source = target['@fhir-outbox/source']
    if (source !== undefined) paths[name + subpath.slice(1)] = [join(root, folder, source)]
  }
}
writeFileSync(
  join(out, 'tsconfig.json'),
  JSON.stringify({
    extends: '../../tsconfig.base.json',
    compilerOptions: {
      types: ['node'],
      isolatedDeclarations: false,
      declaration: false,
      noUnusedLocals: false,
      paths,
    },
    include: ['*.ts'],
  }),
)
const { status } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', out], {
  stdio: 'inherit',
})
if (status !== 0) {
  console.error('An example in the documentation does not compile: the file name says where it stands.')
  process.exit(1)
}
console.log(`${examples} examples compile`)
