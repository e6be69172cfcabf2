import { chmod, chown, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createRecordCipher } from '../src/index.js'
import { createKeyFile, keyFromEnvironment, keyFromFile } from '../src/node/index.js'
import { codeOf } from './support.js'

const about = new Uint8Array(0)
let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'key-file-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

describe('a key file', () => {
  it('is made once, for its owner alone', async () => {
    const path = join(folder, 'records.key')
    expect(await createKeyFile(path)).toBe(true)
    const before = await readFile(path, 'utf8')
    expect(await createKeyFile(path)).toBe(false)
    expect(await readFile(path, 'utf8')).toBe(before)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['records.key'])
  })

  it('is one file when two make it at once', async () => {
    const path = join(folder, 'records.key')
    const made = await Promise.all([createKeyFile(path), createKeyFile(path), createKeyFile(path)])
    expect(made.filter(Boolean)).toHaveLength(1)
    expect(await keyFromFile(path)()).toHaveLength(32)
  })

  it('gives its key to a cipher', async () => {
    const path = join(folder, 'records.key')
    await createKeyFile(path)
    const cipher = createRecordCipher({ keyId: 'k1', key: keyFromFile(path) })
    const record = await cipher.encrypt(Uint8Array.of(1), about)
    expect(await cipher.decrypt(record, about)).toEqual(Uint8Array.of(1))
  })

  it('is refused when others may read it', async () => {
    const path = join(folder, 'records.key')
    await createKeyFile(path)
    await chmod(path, 0o640)
    expect(await codeOf(keyFromFile(path))).toBe('ERR_KEY_FILE_OPEN')
  })

  it.skipIf(process.getuid?.() !== 0)(
    'is refused when it belongs to another user, who can read it',
    async () => {
      const path = join(folder, 'records.key')
      await createKeyFile(path)
      await chown(path, 12_345, 12_345)
      expect(await codeOf(keyFromFile(path))).toBe('ERR_KEY_FILE_OPEN')
    },
  )

  it('is refused when it is no file, or far too long', async () => {
    expect(await codeOf(keyFromFile(folder))).not.toBeUndefined()
    const path = join(folder, 'long.key')
    await writeFile(path, 'A'.repeat(1_000_000), { mode: 0o600 })
    expect(await codeOf(keyFromFile(path))).toBe('ERR_INVALID_OPTION')
  })

  it('shows as a locked key when it is missing or damaged', async () => {
    const path = join(folder, 'records.key')
    const cipher = createRecordCipher({ keyId: 'k1', key: keyFromFile(path) })
    expect(await codeOf(() => cipher.encrypt(about, about))).toBe('ERR_KEY_LOCKED')
    await writeFile(path, 'AAAA\n', { mode: 0o600 })
    await expect(cipher.encrypt(about, about)).rejects.toMatchObject({
      code: 'ERR_KEY_LOCKED',
      cause: { code: 'ERR_INVALID_OPTION' },
    })
  })
})

describe('a key in the environment', () => {
  it('is read when it is needed', async () => {
    const name = 'FHIR_OUTBOX_TEST_RECORD_KEY'
    const source = keyFromEnvironment(name)
    expect(await source()).toBeUndefined()
    process.env[name] = 'AAAA'
    const answer = source()
    await expect(answer).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' })
    process.env[name] = Buffer.alloc(32, 5).toString('base64')
    try {
      expect(await source()).toEqual(new Uint8Array(32).fill(5))
    } finally {
      delete process.env[name]
    }
  })
})
