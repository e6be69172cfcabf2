// Where the workspace's packages and their files are.
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Folders of all workspace packages, e.g. `packages/queue-core`. */
export function packageFolders() {
  return ['packages', 'apps'].flatMap((parent) =>
    readdirSync(join(root, parent))
      .filter((name) => name !== 'benchmarks' && existsSync(join(root, parent, name, 'package.json')))
      .map((name) => `${parent}/${name}`),
  )
}

/** Absolute paths of the TypeScript files under a folder of the repository. */
export function sourceFiles(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}
