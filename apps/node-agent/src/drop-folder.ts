import { randomUUID } from 'node:crypto'
import { watch, type Dirent, type FSWatcher } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AgentError } from './agent-error.js'
import { textOf } from './input/text.js'
import { makeDirectory } from './make-directory.js'

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
  await makeDirectory(folder)
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

/** How files are taken. */
export interface DropFolderOptions {
  readonly folder: string
  /** Takes the content in, durably and idempotently: it is called again when the process dies right after. */
  readonly accept: (name: string, content: string) => Promise<void>
  /** Whether a rejection means that the file itself is wrong. Otherwise it stays and is tried again. */
  readonly isBadInput: (error: unknown) => boolean
  readonly onRefused: (name: string, error: unknown) => void
  readonly onTrouble: (name: string, error: unknown) => void
  /** Default `Date.now`. */
  readonly now?: () => number
}

/** Options of `watchDropFolder`. */
export interface WatchOptions extends DropFolderOptions {
  /** How often the folder is looked at when the platform tells nothing, in milliseconds. Default 1,000. */
  readonly pollMs?: number
  /** Default: that of Node.js. */
  readonly watch?: typeof watch
}

/** How long a foreign file must look the same before it is taken, in milliseconds. */
const quietMs = 2_000

/** Names that `dropFile` makes: such files appear whole. */
const completeName = /^\d{15}-\d{6,}-[0-9a-f-]{36}\.json$/

async function appearanceOf(path: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(path)
  return `${ino} ${size} ${mtimeMs}`
}

/** Takes what other processes have handed over, once, and resolves when that is done. */
export async function takeDropFolder(options: DropFolderOptions): Promise<void> {
  await taker(options).takeAll()
}

/** Starts taking files. The promise it returns stops it, after the file in hand. */
export async function watchDropFolder(options: WatchOptions): Promise<() => Promise<void>> {
  const { folder } = options
  await makeDirectory(folder)
  const { takeAll, stop } = taker(options)
  let stopped = false
  let running: Promise<void> | undefined
  let again = false

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

  const watcher = watched(folder, scan, options.watch ?? watch)
  const poll = setInterval(scan, options.pollMs ?? 1_000)
  scan()
  return async () => {
    stopped = true
    stop()
    clearInterval(poll)
    watcher?.close()
    await running
  }
}

/** A platform that cannot watch, or has too many watchers, is no reason to stop: the poll finds everything. */
function watched(folder: string, changed: () => void, start: typeof watch): FSWatcher | undefined {
  try {
    const watcher = start(folder, changed)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}

/** Takes the files of one folder, oldest name first; remembers how unfinished ones looked. */
function taker(options: DropFolderOptions): { takeAll(): Promise<void>; stop(): void } {
  const { folder, now = Date.now } = options
  const looks = new Map<string, { readonly appearance: string; readonly since: number }>()
  let stopped = false

  async function takeAll(): Promise<void> {
    for (const name of await fileNames(folder)) {
      // What comes later must not overtake a file that has to wait.
      if (stopped || !(await take(name))) return
    }
  }

  /** Whether the next file may be taken. */
  async function take(name: string): Promise<boolean> {
    const path = join(folder, name)
    try {
      const before = await appearanceOf(path)
      if (!isQuiet(name, before)) return true
      const content = await readFile(path)
      const accepted = await accept(name, content)
      // Whoever wrote more in the meantime finds it taken with the next look; keys keep the rest from doubling.
      if (accepted === 'taken' && (await appearanceOf(path)) === before) await forget(name)
      return accepted !== 'later'
    } catch (error) {
      // Taken away meanwhile, or not readable: nobody else needs to wait for it.
      options.onTrouble(name, error)
      return true
    }
  }

  async function accept(name: string, content: Uint8Array): Promise<'taken' | 'refused' | 'later'> {
    try {
      await options.accept(name, textOf(name, content))
      return 'taken'
    } catch (error) {
      if (options.isBadInput(error)) {
        await refuse(name, error)
        return 'refused'
      }
      options.onTrouble(name, error)
      return 'later'
    }
  }

  async function forget(name: string): Promise<void> {
    await unlink(join(folder, name))
    looks.delete(name)
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
    // An earlier file of that name was refused too: both are kept.
    const free = (await readdir(refused)).includes(name) ? `${randomUUID()}-${name}` : name
    const reason = error instanceof Error ? error.message : 'The file cannot be accepted.'
    const hint = error instanceof AgentError ? `\n${error.hint}` : ''
    await writeFile(join(refused, `${free}.reason.txt`), `${reason}${hint}\n`, { mode: 0o600 })
    await rename(join(folder, name), join(refused, free))
    looks.delete(name)
    options.onRefused(name, error)
  }

  return {
    takeAll,
    stop: () => {
      stopped = true
    },
  }
}

async function fileNames(folder: string): Promise<readonly string[]> {
  let entries: Dirent[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    // Nothing was ever dropped.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.') && !entry.name.endsWith('.part'))
    .map((entry) => entry.name)
    .sort()
}
