import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { fileSecretStore, keyFromFile } from '@fhir-outbox/smart-auth/node'

/** What was synced, in order: a name in a folder that was not is lost with the power. */
const synced: string[] = []
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>()
  const open: typeof real.open = async (path, ...more) => {
    const handle = await real.open(path, ...more)
    const sync = handle.sync.bind(handle)
    handle.sync = async () => {
      await sync()
      synced.push(String(path))
    }
    return handle
  }
  return { ...real, default: { ...real, open }, open }
})

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smart-auth-'))
  synced.length = 0
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

it('a key that was made outlives a power cut: whatever is sealed with it would not', async () => {
  const path = join(directory, 'etc', 'keys', 'key')
  await keyFromFile(path)()
  const content = synced.find((each) => each.endsWith('.tmp')) ?? ''
  expect(basename(content)).toMatch(/^key\./)
  // The folders that were made, each in the one above it; then the key, and its name in its folder.
  expect(synced).toEqual([join(directory, 'etc'), directory, content, dirname(path)])
})

it('a record outlives a power cut, its new folder included', async () => {
  const folder = join(directory, 'deep', 'secrets')
  const store = fileSecretStore({ directory: folder, key: async () => new Uint8Array(32) })
  await store.lock('a', async () => undefined)
  await store.set('a', { data: {} })
  const content = synced.find((path) => path.endsWith('.tmp')) ?? ''
  expect(synced).toEqual([join(directory, 'deep'), directory, content, folder])
  synced.length = 0
  await store.delete('a')
  expect(synced).toEqual([folder])
})
