import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { AgentError } from '../src/agent-error.js'
import { dropFile, takeDropFolder, watchDropFolder, type WatchOptions } from '../src/drop-folder.js'
import { tempDirectory } from './support/temp.js'

interface Watched {
  readonly folder: string
  readonly taken: string[]
  readonly refused: string[]
  readonly troubles: string[]
  /** Lets the clock of the folder go on. */
  advance(ms: number): void
}

/** A watched folder with a clock of its own; every look at it comes from the poll or the platform. */
async function watched(
  options: Partial<Pick<WatchOptions, 'accept' | 'isBadInput' | 'watch'>> = {},
  folder?: string,
): Promise<Watched & { stop(): Promise<void> }> {
  const path = folder ?? join(await tempDirectory(), 'drop')
  let now = 1_000_000
  const taken: string[] = []
  const refused: string[] = []
  const troubles: string[] = []
  const stop = await watchDropFolder({
    folder: path,
    accept: async (_name, content) => void taken.push(content),
    isBadInput: (error) => error instanceof AgentError,
    onRefused: (name) => void refused.push(name),
    onTrouble: (name, error) => void troubles.push(`${name} ${String(error)}`),
    pollMs: 5,
    now: () => now,
    ...options,
  })
  return {
    folder: path,
    taken,
    refused,
    troubles,
    advance: (ms) => {
      now += ms
    },
    stop,
  }
}

const bad = (): AgentError => new AgentError('ERR_BAD_INPUT', 'It is wrong.', { hint: 'Do it right.' })

/** Resolves after the folder was looked at a few more times. */
async function fewLooks(folder: string): Promise<void> {
  // A complete file is taken with the next look; three of them are three looks.
  for (let look = 0; look < 3; look += 1) {
    const name = await dropFile(folder, 'look')
    await vi.waitFor(async () => expect(await readdir(folder)).not.toContain(name))
  }
}

describe('a file that another program copies into the folder', () => {
  test('is taken when it has looked the same for two seconds, not before', async () => {
    const { folder, taken, advance, stop } = await watched()
    const path = join(folder, 'copied.json')
    await writeFile(path, 'half')
    await fewLooks(folder)
    expect(taken).not.toContain('half')
    advance(1_999)
    await fewLooks(folder)
    expect(taken).not.toContain('half')

    // It grows: the two seconds begin again.
    await writeFile(path, 'half and the rest')
    await fewLooks(folder)
    advance(1_999)
    await fewLooks(folder)
    expect(taken.filter((content) => content.startsWith('half'))).toEqual([])
    advance(1)
    await vi.waitFor(() => expect(taken).toContain('half and the rest'))
    await vi.waitFor(async () => expect(await readdir(folder)).toEqual([]))
    expect(taken).not.toContain('half')
    await stop()
  })

  test('temporary names, hidden files and folders are left alone', async () => {
    const { folder, taken, advance, stop } = await watched()
    await writeFile(join(folder, '.hidden.json'), 'hidden')
    await writeFile(join(folder, 'upload.json.part'), 'part')
    await mkdir(join(folder, 'folder.json'))
    await fewLooks(folder)
    advance(10_000)
    await fewLooks(folder)
    expect(new Set(taken)).toEqual(new Set(['look']))
    expect((await readdir(folder)).sort()).toEqual(['.hidden.json', 'folder.json', 'upload.json.part'])
    await stop()
  })

  test('what is written while it is being accepted is not lost', async () => {
    const folder = join(await tempDirectory(), 'drop')
    const path = join(folder, 'growing.json')
    const taken: string[] = []
    const { advance, stop } = await watched(
      {
        accept: async (_name, content) => {
          taken.push(content)
          if (content === 'first') await writeFile(path, 'first and second')
        },
      },
      folder,
    )
    await writeFile(path, 'first')
    await fewLooks(folder)
    advance(2_000)
    await vi.waitFor(() => expect(taken).toContain('first'))
    await fewLooks(folder)
    advance(2_000)
    await vi.waitFor(async () => expect(await readdir(folder)).toEqual([]))
    expect(taken.filter((content) => content !== 'look')).toEqual(['first', 'first and second'])
    await stop()
  })
})

describe('a file that cannot be accepted', () => {
  test('moves to refused/ with the reason beside it when it is wrong', async () => {
    const folder = join(await tempDirectory(), 'drop')
    const { refused, troubles, stop } = await watched({ accept: () => Promise.reject(bad()) }, folder)
    const name = await dropFile(folder, 'nonsense')
    await vi.waitFor(() => expect(refused).toEqual([name]))
    expect(await readdir(folder)).toEqual(['refused'])
    expect(await readFile(join(folder, 'refused', name), 'utf8')).toBe('nonsense')
    expect(await readFile(join(folder, 'refused', `${name}.reason.txt`), 'utf8')).toBe(
      'It is wrong.\nDo it right.\n',
    )
    expect(troubles).toEqual([])
    await stop()
  })

  test('a second wrong one of the same name does not replace the first', async () => {
    const folder = join(await tempDirectory(), 'drop')
    const { refused, advance, stop } = await watched(
      { accept: async (_name, content) => void (content === 'look' || (await Promise.reject(bad()))) },
      folder,
    )
    for (const content of ['first', 'second']) {
      await writeFile(join(folder, 'daily.json'), content)
      await fewLooks(folder)
      advance(2_000)
      await vi.waitFor(async () => expect(await readdir(folder)).toEqual(['refused']))
    }
    expect(refused).toEqual(['daily.json', 'daily.json'])
    const kept = (await readdir(join(folder, 'refused'))).filter((name) => name.endsWith('daily.json'))
    const contents = await Promise.all(kept.map((name) => readFile(join(folder, 'refused', name), 'utf8')))
    expect(contents.sort()).toEqual(['first', 'second'])
    await stop()
  })

  test('stays when the reason is another one, is tried again, and nothing overtakes it', async () => {
    const folder = join(await tempDirectory(), 'drop')
    const taken: string[] = []
    let full = true
    let tries = 0
    const { troubles, stop } = await watched(
      {
        accept: async (_name, content) => {
          tries += 1
          // The second would fit: only order keeps it waiting.
          if (full && content === 'first') throw new Error('The queue is full.')
          taken.push(content)
        },
      },
      folder,
    )
    const first = await dropFile(folder, 'first')
    await dropFile(folder, 'second')
    await vi.waitFor(() => expect(tries).toBeGreaterThan(2))
    expect(await readdir(folder)).toHaveLength(2)
    expect(taken).toEqual([])
    expect(new Set(troubles)).toEqual(new Set([`${first} Error: The queue is full.`]))
    full = false
    await vi.waitFor(async () => expect(await readdir(folder)).toEqual([]))
    expect(taken).toEqual(['first', 'second'])
    await stop()
  })
})

describe('files that were handed over', () => {
  test('are taken at once and in the order in which they were dropped', async () => {
    const folder = join(await tempDirectory(), 'drop')
    const contents = Array.from({ length: 25 }, (_, index) => `content ${index}`)
    // All within one millisecond of the clock.
    for (const content of contents) await dropFile(folder, content, 1_700_000_000_000)
    const { taken, stop } = await watched({}, folder)
    await vi.waitFor(() => expect(taken).toHaveLength(25))
    expect(taken).toEqual(contents)
    await stop()
  })

  test('a crash between accepting and removing gives the same content again, and no more', async () => {
    const folder = join(await tempDirectory(), 'drop')
    const name = await dropFile(folder, 'once')
    const accepted: string[] = []
    const accept = async (_name: string, content: string): Promise<void> => void accepted.push(content)
    const rest = {
      folder,
      isBadInput: () => false,
      onRefused: () => undefined,
      onTrouble: () => undefined,
    }
    // The process dies right after the content is safe: nothing that comes later in the code happens.
    const died = new Promise<void>((resolve) => {
      void takeDropFolder({
        ...rest,
        accept: async (...what) => {
          await accept(...what)
          resolve()
          await new Promise(() => undefined)
        },
      })
    })
    await died
    expect(await readdir(folder)).toEqual([name])
    await takeDropFolder({ ...rest, accept })
    expect(accepted).toEqual(['once', 'once'])
    expect(await readdir(folder)).toEqual([])
    await takeDropFolder({ ...rest, accept })
    expect(accepted).toHaveLength(2)
  })

  test('a file that is not UTF-8 is refused, not taken with letters lost', async () => {
    const { folder, taken, refused, advance, stop } = await watched()
    await writeFile(join(folder, 'latin1.json'), Buffer.from('{"family":"M\u00fcller"}', 'latin1'))
    await fewLooks(folder)
    advance(3_000)
    await vi.waitFor(() => expect(refused).toEqual(['latin1.json']))
    await stop()
    expect(taken.filter((content) => content !== 'look')).toEqual([])
    expect(await readFile(join(folder, 'refused', 'latin1.json.reason.txt'), 'utf8')).toBe(
      'latin1.json is not UTF-8 text.\nSave it as UTF-8.\n',
    )
  })

  test('a platform that cannot watch, such as one with too many watchers, is no reason not to start', async () => {
    const { folder, taken, stop } = await watched({
      watch: () => {
        throw Object.assign(new Error('no space left for watchers'), { code: 'ENOSPC' })
      },
    })
    await dropFile(folder, 'all the same')
    await vi.waitFor(() => expect(taken).toEqual(['all the same']))
    await stop()
  })

  test('a folder that was never made is empty', async () => {
    const accept = vi.fn()
    await takeDropFolder({
      folder: join(await tempDirectory(), 'none'),
      accept,
      isBadInput: () => false,
      onRefused: () => undefined,
      onTrouble: () => undefined,
    })
    expect(accept).not.toHaveBeenCalled()
  })

  test('after stop nothing more is taken', async () => {
    const { folder, taken, stop } = await watched()
    await stop()
    const name = await dropFile(folder, 'late')
    await stop()
    expect(taken).toEqual([])
    expect(await readdir(folder)).toEqual([name])
  })
})
