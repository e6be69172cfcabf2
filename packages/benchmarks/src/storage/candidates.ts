import { closeSync, fdatasync, fdatasyncSync, openSync, write, writeSync } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { ClassicLevel } from 'classic-level'
import { open as openLmdb } from 'lmdb'
import { openFsStorage } from '@fhir-outbox/storage-fs'
import type { Candidate } from '../measure.js'
import { observation } from './content.js'
import { freshFolder } from './folder.js'

let counter = 0
const next = (): string => observation(counter++)
const encoder = new TextEncoder()

export const ours: Candidate = {
  name: 'storage-fs',
  powerSafe: true,
  async open() {
    const folder = freshFolder()
    const storage = await openFsStorage({ directory: folder.path })
    const header = encoder.encode('{"v":1,"method":"POST","path":"Observation"}')
    return {
      async operation() {
        const n = counter
        const key = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
        await storage.append([{ lane: 'bench', key, gate: 'bench', header, payload: encoder.encode(next()) }])
      },
      async close() {
        await storage.close()
        folder.remove()
      },
    }
  },
}

/** The limit: all waiting records in one write and one sync, without framing, checksum or index. */
export const bareGroupCommit: Candidate = {
  name: 'bare group commit',
  powerSafe: true,
  async open() {
    const folder = freshFolder()
    const fd = openSync(join(folder.path, 'log'), 'w')
    let waiting: {
      readonly bytes: Uint8Array
      readonly resolve: () => void
      readonly reject: (error: Error) => void
    }[] = []
    let busy = false
    const commit = (): void => {
      const group = waiting
      waiting = []
      if (group.length === 0) {
        busy = false
        return
      }
      const fail = (error: Error): void => group.forEach(({ reject }) => reject(error))
      write(fd, Buffer.concat(group.map(({ bytes }) => bytes)), (error) => {
        if (error !== null) return fail(error)
        fdatasync(fd, (failed) => {
          if (failed !== null) return fail(failed)
          for (const { resolve } of group) resolve()
          setImmediate(commit)
        })
      })
    }
    return {
      operation: () =>
        new Promise((resolve, reject) => {
          waiting.push({ bytes: encoder.encode(next()), resolve, reject })
          if (busy) return
          busy = true
          setImmediate(commit)
        }),
      close() {
        closeSync(fd)
        folder.remove()
      },
    }
  },
}

export const rawAppend: Candidate = {
  name: 'raw append + fdatasync',
  powerSafe: true,
  async open() {
    const folder = freshFolder()
    const fd = openSync(join(folder.path, 'log'), 'w')
    return {
      operation() {
        writeSync(fd, next())
        fdatasyncSync(fd)
      },
      close() {
        closeSync(fd)
        folder.remove()
      },
    }
  },
}

export const sqlite: Candidate = {
  name: 'SQLite WAL FULL per item',
  powerSafe: true,
  async open() {
    const folder = freshFolder()
    const database = new Database(join(folder.path, 'queue.db'))
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.exec('CREATE TABLE queue (sequence INTEGER PRIMARY KEY, body TEXT NOT NULL)')
    const insert = database.prepare('INSERT INTO queue (body) VALUES (?)')
    return {
      operation: () => void insert.run(next()),
      close() {
        database.close()
        folder.remove()
      },
    }
  },
}

export const lmdb: Candidate = {
  name: 'lmdb put',
  powerSafe: true,
  async open() {
    const folder = freshFolder()
    const database = openLmdb({ path: join(folder.path, 'queue.lmdb'), overlappingSync: false })
    let key = 0
    return {
      operation: async () => void (await database.put(key++, next())),
      async close() {
        await database.close()
        folder.remove()
      },
    }
  },
}

/** Level, one synced batch for all callers that wait, made by hand. */
export const levelBatched: Candidate = {
  name: 'Level hand-batched sync',
  powerSafe: true,
  async open() {
    const folder = freshFolder()
    const database = new ClassicLevel<string, string>(join(folder.path, 'level'))
    await database.open()
    let key = 0
    let waiting: {
      readonly value: string
      readonly resolve: () => void
      readonly reject: (error: unknown) => void
    }[] = []
    let busy = false
    const commit = (): void => {
      const group = waiting
      waiting = []
      if (group.length === 0) {
        busy = false
        return
      }
      const puts = group.map(({ value }) => ({
        type: 'put' as const,
        key: String(key++).padStart(12, '0'),
        value,
      }))
      database.batch(puts, { sync: true }).then(
        () => {
          for (const { resolve } of group) resolve()
          setImmediate(commit)
        },
        (error: unknown) => group.forEach(({ reject }) => reject(error)),
      )
    }
    return {
      operation: () =>
        new Promise((resolve, reject) => {
          waiting.push({ value: next(), resolve, reject })
          if (busy) return
          busy = true
          setImmediate(commit)
        }),
      async close() {
        await database.close()
        folder.remove()
      },
    }
  },
}

export const levelSync: Candidate = {
  name: 'Level put sync',
  powerSafe: true,
  async open() {
    const folder = freshFolder()
    const database = new ClassicLevel<string, string>(join(folder.path, 'level'))
    await database.open()
    let key = 0
    return {
      operation: () => database.put(String(key++).padStart(12, '0'), next(), { sync: true }),
      async close() {
        await database.close()
        folder.remove()
      },
    }
  },
}

/** A file per item as it must be done to survive a power cut: temporary name, sync, rename, sync of the folder. */
export const safeFiles: Candidate = {
  name: 'safe file per item',
  powerSafe: true,
  async open() {
    const folder = freshFolder()
    const queue = join(folder.path, 'queue')
    await mkdir(queue)
    const directory = await open(queue, 'r')
    let number = 0
    return {
      async operation() {
        const name = join(queue, String(number++))
        const file = await open(`${name}.tmp`, 'wx')
        await file.writeFile(next())
        await file.sync()
        await file.close()
        await rename(`${name}.tmp`, name)
        await directory.sync()
      },
      async close() {
        await directory.close()
        folder.remove()
      },
    }
  },
}
