import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AgentError } from './agent-error.js'
import { systemWords } from './system-words.js'

/** Makes a directory for this user alone, and those above it. Rejects with `ERR_BAD_DIRECTORY`. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await make(path)
  } catch (cause) {
    throw new AgentError(
      'ERR_BAD_DIRECTORY',
      `The directory ${path} cannot be used: ${systemWords(cause)}.`,
      {
        hint: 'Check what is at that path and its permissions, or choose another --directory.',
        cause,
      },
    )
  }
}

/**
 * Not `mkdir` with `recursive`: in Node 20 that never ends where a file system answers ENOENT although the parent
 * is there, as /proc does.
 */
async function make(path: string): Promise<void> {
  const code = await tryMake(path)
  if (code !== 'ENOENT') return
  const parent = dirname(path)
  if (parent !== path) await make(parent)
  await mkdir(path, { mode: 0o700 })
}

async function tryMake(path: string): Promise<string | undefined> {
  try {
    await mkdir(path, { mode: 0o700 })
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return code
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return code
    throw error
  }
}
