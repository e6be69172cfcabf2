import { randomUUID } from 'node:crypto'
import { watch } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AgentError } from './agent-error.js'

/**
 * A folder whose files are taken into the queue by a running agent. A file is removed only when everything in
 * it is accepted; one that cannot be accepted moves to `refused/` with the reason beside it.
 */
export function dropFolderOf({ directory }: { readonly directory: string }): string {
  return join(directory, 'drop')
}

/** Tells apart what one process drops within a millisecond. */
let dropped = 0

/** Hands an input to the agent that owns the queue: complete and durable under its name, or not there. */
export async function dropFile(folder: string, content: string, now: number = Date.now()): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // Names sort in the order in which they were dropped.
  dropped += 1
  const name = `${String(now).padStart(15, '0')}-${String(dropped).padStart(6, '0')}-${randomUUID()}.json`
  const temporary = join(folder, `.${name}.part`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, join(folder, name))
  const directory = await open(folder, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
  return name
}

/** Options of `watchDropFolder`. */
export interface DropFolderOptions {
  readonly folder: string
  /** Takes the content in, durably and idempotently: it is called again when the process dies right after. */
  readonly accept: (name: string, content: string) => Promise<void>
  /** Whether a rejection means that the file itself is wrong. Otherwise it stays and is tried again. */
  readonly isBadInput: (error: unknown) => boolean
  readonly onRefused: (name: string, error: unknown) => void
  readonly onTrouble: (name: string, error: unknown) => void
  /** How often the folder is looked at when the platform tells nothing, in milliseconds. Default 1,000. */
  readonly pollMs?: number
  /** Default `Date.now`. */
  readonly now?: () => number
}

/** How long a foreign file must look the same before it is taken, in milliseconds. */
const quietMs = 2_000

/** Names that `dropFile` makes: such files appear whole. */
const completeName = /^\d{15}-\d{6,}-[0-9a-f-]{36}\.json$/

async function appearanceOf(path: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(path)
  return `${ino} ${size} ${mtimeMs}`
}

/** Starts taking files. The promise it returns stops it, after the file in hand. */
export async function watchDropFolder(options: DropFolderOptions): Promise<() => Promise<void>> {
  const { folder, now = Date.now } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  let stopped = false
  let running: Promise<void> | undefined
  let again = false
  const looks = new Map<string, { readonly appearance: string; readonly since: number }>()

  function scan(): void {
    if (stopped) return
    again = true
    running ??= (async () => {
      while (again && !stopped) {
        again = false
        await takeAll().catch((error: unknown) => options.onTrouble(folder, error))
      }
      running = undefined
    })()
  }

  async function takeAll(): Promise<void> {
    const names = (await readdir(folder, { withFileTypes: true }))
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.') && !entry.name.endsWith('.part'))
      .map((entry) => entry.name)
      .sort()
    for (const name of names) {
      if (stopped) return
      await take(name)
    }
  }

  async function take(name: string): Promise<void> {
    const path = join(folder, name)
    try {
      const before = await appearanceOf(path)
      if (!isQuiet(name, before)) return
      const content = await readFile(path, 'utf8')
      try {
        await options.accept(name, content)
      } catch (error) {
        if (!options.isBadInput(error)) throw error
        return await refuse(name, error)
      }
      // Whoever wrote more in the meantime finds it taken with the next look; keys keep the rest from doubling.
      if ((await appearanceOf(path)) === before) await unlink(path)
    } catch (error) {
      options.onTrouble(name, error)
    }
  }

  /**
   * Somebody may still be copying the file. What `dropFile` wrote is complete; of the rest only what has
   * looked the same for a while is taken.
   */
  function isQuiet(name: string, appearance: string): boolean {
    if (completeName.test(name)) return true
    const last = looks.get(name)
    if (last?.appearance !== appearance) {
      looks.set(name, { appearance, since: now() })
      return false
    }
    return now() - last.since >= quietMs
  }

  async function refuse(name: string, error: unknown): Promise<void> {
    const refused = join(folder, 'refused')
    await mkdir(refused, { recursive: true, mode: 0o700 })
    const reason = error instanceof Error ? error.message : 'The file cannot be accepted.'
    const hint = error instanceof AgentError ? `\n${error.hint}` : ''
    await writeFile(join(refused, `${name}.reason.txt`), `${reason}${hint}\n`, { mode: 0o600 })
    await rename(join(folder, name), join(refused, name))
    looks.delete(name)
    options.onRefused(name, error)
  }

  const watcher = watch(folder, scan)
  // A platform that cannot watch is no reason to stop: the poll finds everything.
  watcher.on('error', () => watcher.close())
  const poll = setInterval(scan, options.pollMs ?? 1_000)
  scan()
  return async () => {
    stopped = true
    clearInterval(poll)
    watcher.close()
    await running
  }
}
