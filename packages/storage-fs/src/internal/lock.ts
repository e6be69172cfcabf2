import { storageFailed, storageLocked } from '../errors.js'
import { type FsPort, type ProcessIdentity, systemCode } from '../fs-port.js'

/** The right to write to a directory. `generation` is in every frame. */
export interface Ownership {
  readonly generation: number
  /** Rejects with `ERR_STORAGE_LOCKED` when another process has taken over. */
  check(): Promise<void>
  /** The same without waiting, where the file system can do it. Throws. */
  readonly checkAtOnce: (() => void) | undefined
  release(): Promise<void>
}

interface OwnerRecord extends ProcessIdentity {
  readonly released: boolean
}

const NAME = /^owner\.(\d+)$/
/** Others may come in between a few times; a name that leads nowhere is there for ever. */
const MOST_ATTEMPTS = 100

export function ownerNumber(name: string): number | undefined {
  const match = NAME.exec(name)
  return match?.[1] === undefined ? undefined : Number(match[1])
}

function encode(record: OwnerRecord): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(record)}\n`)
}

async function readOwner(fs: FsPort, path: string): Promise<OwnerRecord | 'gone' | 'unreadable'> {
  let text = ''
  try {
    const file = await fs.open(path, 'read')
    try {
      const bytes = new Uint8Array(4096)
      text = new TextDecoder().decode(bytes.subarray(0, await file.read(bytes, 0)))
    } finally {
      await file.close()
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 'gone'
    throw error
  }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return 'unreadable'
    const { pid, boot, started, released } = value as Partial<Record<keyof OwnerRecord, unknown>>
    if (typeof pid !== 'number' || typeof boot !== 'string' || typeof started !== 'string')
      return 'unreadable'
    return { pid, boot, started, released: released === true }
  } catch {
    return 'unreadable'
  }
}

/**
 * Where the machine has no name for its boots, theirs is made of its own name and of the minute of the boot, which two
 * processes may round differently. Two boots within so short a time are told apart by what runs.
 */
function isSameBoot(one: string, other: string): boolean {
  if (one === other) return true
  const [first, second] = [one, other].map((boot) => /^(.*)\/(\d+)$/.exec(boot))
  if (first?.[1] === undefined || first[1] !== second?.[1]) return false
  return Math.abs(Number(first[2]) - Number(second[2])) <= 2
}

async function isAlive(fs: FsPort, owner: OwnerRecord, self: ProcessIdentity): Promise<boolean> {
  if (owner.released || !isSameBoot(owner.boot, self.boot)) return false
  const started = await fs.processStarted(owner.pid)
  if (started === undefined) return false
  // A pid that now belongs to a process with another start time was reused. Where the platform does not
  // tell, the answer must be the safe one.
  return started === '' || owner.started === '' || started === owner.started
}

async function owners(fs: FsPort, directory: string): Promise<number[]> {
  const numbers: number[] = []
  for (const name of await fs.readdir(directory)) {
    const number = ownerNumber(name)
    if (number !== undefined) numbers.push(number)
  }
  return numbers.sort((a, b) => a - b)
}

async function removeQuietly(fs: FsPort, path: string): Promise<void> {
  try {
    await fs.unlink(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

/**
 * Takes the directory: the highest `owner.<n>` owns it. Rejects with `ERR_STORAGE_LOCKED` while its process
 * lives. `atLeast`: the number must be higher than this, so that generations never repeat even when the lock
 * files were removed by hand.
 */
export async function takeOwnership(fs: FsPort, directory: string, atLeast: number): Promise<Ownership> {
  const self = await fs.self()
  const path = (number: number): string => `${directory}/owner.${number}`
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const present = await owners(fs, directory)
    const highest = present.at(-1)
    if (highest !== undefined) {
      const owner = await readOwner(fs, path(highest))
      if (owner === 'gone') continue
      if (owner !== 'unreadable' && (await isAlive(fs, owner, self))) {
        throw storageLocked(
          directory,
          owner.pid === self.pid ? `this process (pid ${owner.pid})` : `pid ${owner.pid}`,
        )
      }
    }
    const generation = Math.max(highest ?? 0, atLeast) + 1
    try {
      await fs.publish(path(generation), encode({ ...self, released: false }))
    } catch (error) {
      if (systemCode(error) === 'EEXIST') continue
      throw error
    }
    let tookOver = false
    try {
      const after = await owners(fs, directory)
      if (after.at(-1) !== generation) {
        // Somebody took a higher number while we looked at an older picture.
        await removeQuietly(fs, path(generation))
        continue
      }
      // The old owner looks for its own file after each write and before it answers: once that is gone, what
      // it still writes is never acknowledged. So it must go before the log is read.
      for (const number of after) {
        if (number >= generation) continue
        tookOver = true
        await removeQuietly(fs, path(number))
      }
      await fs.syncDirectory(directory)
    } catch (error) {
      // This process lives on, so nobody would ever take over from it.
      const own = path(generation)
      // Once an older file is gone, only this one keeps its number from being given out again.
      const left = tookOver ? markReleased(fs, own, self) : removeQuietly(fs, own)
      await left.catch(() => undefined)
      throw error
    }
    return ownership(fs, directory, generation, self)
  }
  throw storageFailed(`the lock files in ${directory} come and go, or cannot be opened`, undefined)
}

function ownership(fs: FsPort, directory: string, generation: number, self: ProcessIdentity): Ownership {
  const own = `${directory}/owner.${generation}`
  const lost = (): Error => storageLocked(directory, 'another process that took it over')
  return {
    generation,
    check: async () => {
      if ((await fs.stat(own)) === undefined) throw lost()
    },
    checkAtOnce:
      fs.existsNow === undefined
        ? undefined
        : () => {
            if (fs.existsNow?.(own) === false) throw lost()
          },
    release: async () => {
      try {
        await markReleased(fs, own, self)
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return
        try {
          // Its number is in the log too, so the file may go when it cannot be written.
          await removeQuietly(fs, own)
        } catch {
          throw storageFailed(`the lock of ${directory} cannot be released`, error)
        }
      }
    },
  }
}

/** The file stays, so that its number is never given out again. */
async function markReleased(fs: FsPort, path: string, self: ProcessIdentity): Promise<void> {
  const file = await fs.open(path, 'write')
  try {
    const content = encode({ ...self, released: true })
    await file.write(content, 0)
    await file.truncate(content.length)
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** The living process that owns the directory. */
export async function readHolder(fs: FsPort, directory: string): Promise<{ pid: number } | undefined> {
  const highest = (await owners(fs, directory)).at(-1)
  if (highest === undefined) return undefined
  const owner = await readOwner(fs, `${directory}/owner.${highest}`)
  if (owner === 'gone' || owner === 'unreadable') return undefined
  return (await isAlive(fs, owner, await fs.self())) ? { pid: owner.pid } : undefined
}
