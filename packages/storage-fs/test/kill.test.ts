import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFsStorage } from '../src/index.js'
import { text } from './support/tools.js'

let home = ''
let script = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'storage-fs-kill-'))
  script = join(home, 'crash-child.mjs')
  await build({
    config: false,
    silent: true,
    entry: [fileURLToPath(new URL('support/crash-child.ts', import.meta.url))],
    outDir: home,
    outExtension: () => ({ js: '.mjs' }),
    format: 'esm',
    target: 'es2022',
    platform: 'node',
    noExternal: [/^@fhir-outbox/],
    esbuildOptions: (options) => {
      options.conditions = ['@fhir-outbox/source']
    },
  })
})
afterAll(() => rm(home, { recursive: true, force: true }))

/** What the parent has seen with its own eyes. */
interface Books {
  readonly accepted: Map<number, string>
  readonly sent: Map<number, number>
}

/** Lets a child live until it has printed that many lines, then kills it at once. */
function live(directory: string, run: number, lines: number, books: Books): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, directory, String(run)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let rest = ''
    let errors = ''
    let seen = 0
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk))
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) {
        const line = JSON.parse(part) as { accepted?: [number, string][]; sent?: [number, string, string][] }
        for (const [sequence, key] of line.accepted ?? []) {
          if (books.accepted.has(sequence)) reject(new Error(`sequence ${sequence} was given out twice`))
          books.accepted.set(sequence, key)
        }
        for (const [sequence, , state] of line.sent ?? []) {
          // Sent a second time only as one that may have been sent: that is what marks are for.
          if (books.sent.has(sequence) && state !== 'unknown')
            reject(new Error(`${sequence} was simply sent again`))
          books.sent.set(sequence, (books.sent.get(sequence) ?? 0) + 1)
        }
        seen++
      }
      if (seen >= lines) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('exit', (_code, signal) => {
      if (signal === 'SIGKILL') resolve(errors)
      else reject(new Error(`the child ended by itself: ${errors}`))
    })
  })
}

describe('kill -9', () => {
  it('at random instants loses nothing that was acknowledged, and never simply sends twice', async () => {
    const directory = join(home, 'queue')
    const books: Books = { accepted: new Map(), sent: new Map() }
    for (let round = 1; round <= 6; round++) {
      await live(directory, round, 1 + ((round * 7919) % 150), books)
    }
    const storage = await openFsStorage({ directory })
    expect(storage.recovery.quarantined).toEqual([])
    expect(books.accepted.size).toBeGreaterThan(100)
    const known = new Map((await storage.list({ limit: 1_000_000 })).map((entry) => [entry.sequence, entry]))
    for (const [sequence, key] of books.accepted) {
      const entry = known.get(sequence)
      expect(entry?.key, `entry ${sequence}`).toBe(key)
      // What was sent is delivered, or known as possibly sent; it never waits as if nothing had happened.
      const allowed = books.sent.has(sequence)
        ? ['delivered', 'unknown']
        : ['waiting', 'unknown', 'delivered']
      expect(allowed, `entry ${sequence}`).toContain(entry?.state)
      expect(text(entry?.header)).toBe(key)
    }
    const stats = await storage.stats()
    expect(stats.accepted).toBe(known.size)
    await storage.close()
  })

  it('leaves private files: only the owner can read them', async () => {
    const directory = join(home, 'private')
    await live(directory, 1, 5, { accepted: new Map(), sent: new Map() })
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
    for (const name of await readdir(directory)) {
      expect((await stat(join(directory, name))).mode & 0o777, name).toBe(0o600)
    }
  })

  it('is not needed to be refused: a living owner in another process is named', async () => {
    const directory = join(home, 'shared')
    const child = spawn(process.execPath, [script, directory, 'x'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise((resolve) => child.on('exit', resolve))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    await expect(openFsStorage({ directory })).rejects.toMatchObject({
      code: 'ERR_STORAGE_LOCKED',
      message: expect.stringContaining(`pid ${child.pid}`),
    })
    child.stdout.resume()
    child.kill('SIGKILL')
    await ended
    const storage = await openFsStorage({ directory })
    expect((await storage.stats()).accepted).toBeGreaterThanOrEqual(0)
    await storage.close()
  })
})
