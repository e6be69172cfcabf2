import { execFileSync } from 'node:child_process'
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createClientKey, credentialsIn, type SecretStore, type StoredClient } from '@fhir-outbox/smart-auth'
import { fileSecretStore, keyFromEnvironment, keyFromFile } from '@fhir-outbox/smart-auth/node'
import { deferred, failure } from './support/fake-fetch.js'

let directory = ''
let folder = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smart-auth-'))
  folder = join(directory, 'deep', 'secrets')
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(directory, { recursive: true, force: true })
})

const data = { token: 'marker-secret', nested: { n: 1, empty: '', list: [null, 'ü'] } }
const open = (more: Partial<Parameters<typeof fileSecretStore>[0]> = {}): SecretStore =>
  fileSecretStore({ directory: folder, key: keyFromFile(join(directory, 'key')), ...more })
const files = async (end = '.secret'): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith(end)).map((name) => join(folder, name))

describe('fileSecretStore', () => {
  it('has nothing at first, keeps what it is given, and deletes', async () => {
    const store = open()
    expect([await store.get('a'), await store.ids()]).toEqual([undefined, []])
    await store.set('a', { data })
    await store.set('b/../c', { data: {} })
    expect(await open().get('a')).toEqual({ data })
    expect((await open().ids()).toSorted()).toEqual(['a', 'b/../c'])
    await store.delete('a')
    await store.delete('a')
    expect(await store.get('a')).toBeUndefined()
    expect(await store.ids()).toEqual(['b/../c'])
  })

  it('holds nothing in clear, is readable by its owner only, and leaves no other file', async () => {
    const store = open()
    await Promise.all([1, 2, 3].map((n) => store.set('a', { data: { ...data, n } })))
    const [file = ''] = await files()
    const text = await readFile(file, 'utf8')
    expect(text).not.toMatch(/marker|nested/)
    expect(JSON.parse(text)).toMatchObject({ name: 'a', version: 1 })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(join(directory, 'key'))).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toHaveLength(1)
    expect((await store.get('a'))?.data).toMatchObject({ n: 3 })
  })

  it.each([0o640, 0o604, 0o660])('refuses a file of mode %o', async (mode) => {
    const store = open()
    await store.set('a', { data })
    await chmod((await files())[0] ?? '', mode)
    expect((await failure(store.get('a'))).code).toBe('ERR_CREDENTIALS_UNREADABLE')
  })

  it('follows no link', async () => {
    const store = open()
    await store.set('a', { data })
    const [file = ''] = await files()
    const target = join(directory, 'planted')
    await copyFile(file, target)
    await rm(file)
    await symlink(target, file)
    expect((await failure(store.get('a'))).code).toBe('ERR_CREDENTIALS_UNREADABLE')
    await store.set('a', { data: { own: true } })
    expect(await store.get('a')).toEqual({ data: { own: true } })
    expect(await readFile(target, 'utf8')).toContain('fhir-outbox-secret')
  })

  const change =
    (member: string, to: (old: string) => unknown) =>
    async (file: string): Promise<void> => {
      const record = JSON.parse(await readFile(file, 'utf8')) as Record<string, string>
      await writeFile(file, JSON.stringify({ ...record, [member]: to(record[member] ?? '') }), {
        mode: 0o600,
      })
    }
  it.each([
    ['a changed byte', change('data', (old) => `${old.startsWith('A') ? 'B' : 'A'}${old.slice(1)}`)],
    ['another start value', change('iv', () => 'AAAAAAAAAAAAAAAA')],
    ['a newer version', change('version', () => 2)],
    ['another format', change('format', () => 'x')],
    ['no base64', change('data', () => '###')],
    ['a torn file', async (file: string) => writeFile(file, (await readFile(file, 'utf8')).slice(0, -20))],
    ['an empty file', (file: string) => writeFile(file, '')],
    ['a huge file', (file: string) => writeFile(file, 'x'.repeat(1_100_000))],
  ])('refuses %s', async (_name, damage) => {
    const store = open()
    await store.set('a', { data })
    const [file = ''] = await files()
    await damage(file)
    const error = await failure(store.get('a'))
    expect(error.code).toBe('ERR_CREDENTIALS_UNREADABLE')
    expect(inspect(error, { depth: 9 })).not.toContain('marker')
  })

  it('refuses a record under the name of another, and one sealed with another key', async () => {
    const store = open()
    await store.set('admin', { data })
    const [admin = ''] = await files()
    await store.set('guest', { data: {} })
    const guest = (await files()).find((file) => file !== admin) ?? ''
    await copyFile(admin, guest)
    expect((await failure(store.get('guest'))).code).toBe('ERR_CREDENTIALS_UNREADABLE')
    expect(await store.ids()).toEqual(['admin'])
    await change('name', () => 'guest')(guest)
    expect((await failure(store.get('guest'))).code).toBe('ERR_CREDENTIALS_UNREADABLE')
    const other = open({ key: async () => new Uint8Array(32).fill(7) })
    expect((await failure(other.get('admin'))).code).toBe('ERR_CREDENTIALS_UNREADABLE')
  })

  it('says when it cannot write', async () => {
    await mkdir(join(directory, 'deep'))
    await writeFile(folder, 'a file in the way')
    const error = await failure(open().set('a', { data }))
    expect(error.code).toBe('ERR_CREDENTIALS_UNWRITABLE')
    expect(inspect(error, { depth: 9 })).not.toContain('marker')
  })

  it('says when it cannot lock or list, and has nothing below a file', async () => {
    await mkdir(join(directory, 'deep'))
    await writeFile(folder, 'a file in the way')
    for (const store of [open(), open({ directory: join(folder, 'below') })]) {
      const locking = store.lock('a', async () => 'never')
      expect((await failure(locking)).code).toBe('ERR_CREDENTIALS_UNWRITABLE')
      expect([await store.get('a'), await store.ids()]).toEqual([undefined, []])
    }
  })

  it('refuses to keep what it could not read again', async () => {
    const store = open()
    await store.set('a', { data })
    const error = await failure(store.set('a', { data: { pad: 'x'.repeat(1_000_000) } }))
    expect(error.code).toBe('ERR_CREDENTIALS_UNWRITABLE')
    expect(await store.get('a')).toEqual({ data })
  })

  it('clears away what a process left that died while it wrote, and nothing that may be under way', async () => {
    await open().set('a', { data })
    const [file = ''] = await files()
    const [old, fresh] = [`${file}.0123456789abcdef.tmp`, `${file}.fedcba9876543210.tmp`]
    for (const each of [old, fresh, join(folder, 'not-ours.tmp')])
      await writeFile(each, 'sealed', { mode: 0o600 })
    const twoHoursAgo = new Date(Date.now() - 7_200_000)
    await utimes(old, twoHoursAgo, twoHoursAgo)
    await utimes(join(folder, 'not-ours.tmp'), twoHoursAgo, twoHoursAgo)
    const store = open()
    await store.set('a', { data })
    expect(await files('.tmp')).toEqual([fresh, join(folder, 'not-ours.tmp')].toSorted())
    expect(await store.get('a')).toEqual({ data })
  })

  it('keeps a registered client with its key', async () => {
    const { kid, privateJwk } = await createClientKey()
    const client: StoredClient = {
      version: 1,
      server: 'https://fhir.example.test/r4',
      clientId: 'c',
      authMethod: 'private_key_jwt',
      key: { alg: 'ES384', kid, privateJwk },
      registeredAt: 5,
      confirmed: false,
      replacements: 0,
    }
    const credentials = credentialsIn(open(), 'gateway')
    expect(credentials.keepsKeyHandles).toBe(false)
    await credentials.save(client)
    expect(await credentialsIn(open(), 'gateway').load()).toEqual(client)
    expect(await credentialsIn(open(), 'other').load()).toBeUndefined()
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, false, ['sign'])
    expect((await failure(open().set('k', { data: {}, key: pair.privateKey }))).code).toBe('ERR_INVALID_KEY')
  })
})

describe('the key of a store', () => {
  it('is made once by two that start at the same moment', async () => {
    const path = join(directory, 'key')
    const [one, two] = await Promise.all([keyFromFile(path)(), keyFromFile(path)()])
    expect(one).toEqual(two)
    expect(one).toHaveLength(32)
    expect(await readdir(directory)).toEqual(['key'])
  })

  it('comes from the environment in two spellings', async () => {
    const bytes = Buffer.alloc(32, 0xfb)
    for (const text of [bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')]) {
      vi.stubEnv('MY_KEY', text)
      expect(Buffer.from(await keyFromEnvironment('MY_KEY')())).toEqual(bytes)
    }
  })

  it.each(['', 'marker', 'A'.repeat(44)])('is refused when it is none: %j', async (text) => {
    vi.stubEnv('MY_KEY', text)
    await writeFile(join(directory, 'key'), text, { mode: 0o600 })
    for (const key of [keyFromEnvironment('MY_KEY'), keyFromFile(join(directory, 'key'))]) {
      const error = await failure(open({ key }).set('a', { data }))
      expect(error.code).toBe('ERR_INVALID_KEY')
      expect(error.message).not.toContain('marker')
    }
    expect((await failure(open({ key: async () => new Uint8Array(16) }).get('a').then(() => open({ key: async () => new Uint8Array(16) }).set('a', { data })))).code).toBe('ERR_INVALID_KEY') // prettier-ignore
  })

  it('is refused when others can read it', async () => {
    await keyFromFile(join(directory, 'key'))()
    await chmod(join(directory, 'key'), 0o644)
    expect((await failure(open().set('a', { data }))).code).toBe('ERR_CREDENTIALS_UNREADABLE')
  })
})

describe('the lock of a name', () => {
  it('keeps two stores on one folder apart, and other names free', async () => {
    const [one, two] = [open(), open()]
    const gate = deferred<void>()
    const order: string[] = []
    const first = one.lock('a', async (lease) => {
      order.push('first in')
      await gate.promise
      order.push(`first out, held: ${await lease.stillHeld()}`)
    })
    await vi.waitFor(() => expect(order).toEqual(['first in']))
    const second = two.lock('a', async () => void order.push('second'))
    await two.lock('b', async () => void order.push('b'))
    gate.resolve()
    await Promise.all([first, second])
    expect(order).toEqual(['first in', 'b', 'first out, held: true', 'second'])
    expect(await files('.lock')).toEqual([])
  })

  it('is given back after a failure, and waited for no longer than wanted', async () => {
    const store = open()
    await expect(store.lock('a', () => Promise.reject(new Error('inside')))).rejects.toThrow('inside')
    const gate = deferred<void>()
    const holding = store.lock('a', () => gate.promise)
    const controller = new AbortController()
    const waiting = open().lock('a', async () => undefined, controller.signal)
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    gate.resolve()
    await holding
  })

  it('is taken over from a process that was killed', async () => {
    const store = open()
    await store.lock('a', async () => undefined)
    // A process that is certainly gone.
    await plant(store, await markOfTheDead(store))
    await expect(store.lock('a', async () => 'mine')).resolves.toBe('mine')
  })

  // Containers that share the network of their host have its name too, and numbers of their own.
  it.runIf(process.platform === 'linux')(
    'is not taken from a process whose number means nothing here',
    async () => {
      const store = open({ staleLockMs: 150 })
      const mark = await markOfTheDead(store)
      const elsewhere = mark.replace(/\d+(?=\] )/, '1')
      expect([mark, elsewhere].map((each) => each.split(' ')[1])).toEqual([
        expect.stringMatching(/^.+\/pid:\[\d+\]$/),
        `${hostname()}/pid:[1]`,
      ])
      const path = await plant(store, elsewhere)
      const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), 20)
      let got = false
      const lock = store.lock('a', async () => {
        got = true
      })
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect(got).toBe(false)
      clearInterval(beat)
      await lock
    },
  )

  it('is taken over although the one before died while it took over, whatever the clock says since', async () => {
    const store = open({ staleLockMs: 150 })
    const mark = await markOfTheDead(store)
    for (const offset of [86_400_000, -86_400_000]) {
      const path = await plant(store, mark)
      await writeFile(`${path}.take`, '', { mode: 0o600 })
      const then = new Date(Date.now() + offset)
      await utimes(`${path}.take`, then, then)
      await expect(store.lock('a', async () => 'mine', AbortSignal.timeout(5_000))).resolves.toBe('mine')
    }
  })

  it('is not taken over while somebody else does so on a share whose clock is ahead', async () => {
    const store = open()
    const path = await plant(store, await markOfTheDead(store))
    await writeFile(`${path}.take`, '', { mode: 0o600 })
    const ahead = new Date(Date.now() + 60_000)
    await utimes(`${path}.take`, ahead, ahead)
    const taking = store.lock('a', async () => 'mine', AbortSignal.timeout(300))
    await expect(taking).rejects.toMatchObject({ name: 'AbortError' })
    expect(await files('.take')).toEqual([`${path}.take`])
  })

  it('does not lose what was done when it cannot be looked at afterwards', async () => {
    const store = open()
    const work = async (lease: { stillHeld(): Promise<boolean> }): Promise<string> => {
      const [path = ''] = await files('.lock')
      await rm(path)
      await mkdir(path)
      expect(await lease.stillHeld()).toBe(false)
      return 'done'
    }
    await expect(store.lock('a', work)).resolves.toBe('done')
  })

  it('is taken over from another machine when it is silent, and from nobody who shows life', async () => {
    const store = open({ staleLockMs: 150 })
    const path = await plant(store, `1 another-machine x\n`)
    const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), 20)
    let got = false
    const lock = store.lock('a', async () => {
      got = true
    })
    // Three times as long as silence is borne.
    await new Promise((resolve) => setTimeout(resolve, 450))
    expect(got).toBe(false)
    clearInterval(beat)
    await lock
    expect(got).toBe(true)
  })

  it('tells its holder when it was taken over', async () => {
    const store = open()
    await store.lock('a', async (lease) => {
      const [path = ''] = await files('.lock')
      await writeFile(path, '1 another-machine x\n')
      expect(await lease.stillHeld()).toBe(false)
    })
    // What belongs to the other one stays.
    expect(await files('.lock')).toHaveLength(1)
  })

  /** What the lock of a process of this machine looks like that is certainly gone. */
  async function markOfTheDead(store: SecretStore): Promise<string> {
    const pid = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim()
    let mark = ''
    await store.lock('b', async () => {
      mark = await readFile((await files('.lock'))[0] ?? '', 'utf8')
    })
    return mark.replace(/^\d+/, pid)
  }

  /** Puts a lock for the name `a` where the store will look for it. */
  async function plant(store: SecretStore, mark: string): Promise<string> {
    let path = ''
    await store.lock('a', async () => {
      path = (await files('.lock'))[0] ?? ''
    })
    await writeFile(path, mark, { mode: 0o600 })
    return path
  }
})
