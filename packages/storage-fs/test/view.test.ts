import { type RecordCipher, sealStorage } from '@fhir-outbox/queue-core'
import { expect, it } from 'vitest'
import { type FsPort, openFsStorage, viewFsStorage } from '../src/index.js'
import { simulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, draft, states, take, text } from './support/tools.js'

const directory = '/q'

it('a view shows what is there beside the process that uses it, and changes nothing', async () => {
  const disk = simulatedDisk()
  const storage = await openFsStorage({ directory, fs: disk.port() })
  for (const key of ['a', 'b', 'c', 'd']) await add(storage, key, { lane: key })
  await deliver(storage, 1)
  const lease = await take(storage, { limit: 1 })
  await storage.settle(lease, [{ sequence: 2, outcome: 'rejected', note: bytes('why not') }])
  await storage.notes.put('learned', bytes('much'), 0)
  const before = disk.files()
  const view = await viewFsStorage(directory, { fs: disk.port() })
  expect(await states(view)).toEqual({ a: 'delivered', b: 'dead', c: 'waiting', d: 'waiting' })
  expect(await view.list({ state: 'dead', limit: 10 })).toMatchObject([
    { sequence: 2, key: 'b', deadReason: 'rejected', note: bytes('why not') },
  ])
  expect(text((await view.read(3))?.payload)).toBe('payload of c')
  expect(await view.read(99)).toBeUndefined()
  expect(await view.stats()).toMatchObject({ accepted: 4, waiting: 2, dead: 1, delivered: 1 })
  expect(await view.notes.get('learned')).toEqual({ bytes: bytes('much'), version: 1 })
  expect(await view.notes.get('nothing')).toBeUndefined()
  expect(await view.notes.names?.()).toEqual(['learned'])
  // It is a picture: what happens later is not in it.
  await add(storage, 'e')
  expect(await view.stats()).toMatchObject({ accepted: 4 })
  await view.close()
  await expect(view.stats()).rejects.toMatchObject({ code: 'ERR_STORAGE_CLOSED' })
  await expect(view.read(1)).rejects.toMatchObject({ code: 'ERR_STORAGE_CLOSED' })
  expect([...disk.files().keys()]).toEqual([...before.keys()])
  await storage.close()
  expect(await states(await viewFsStorage(directory, { fs: disk.port() }))).toHaveProperty('e', 'waiting')
})

it('a view refuses whatever would change something', async () => {
  const disk = simulatedDisk()
  const storage = await openFsStorage({ directory, fs: disk.port() })
  await add(storage, 'a')
  const lease = await take(storage)
  const files = disk.files()
  const view = await viewFsStorage(directory, { fs: disk.port() })
  for (const call of [
    () => view.append([draft('b')]),
    () => view.mark(lease, [{ sequence: 1, group: 'g' }]),
    () => view.renew(lease, 1000),
    () => view.settle(lease, [{ sequence: 1, outcome: 'delivered' }]),
    () => view.decide(1, { kind: 'withdraw', note: bytes('n') }),
    () => view.notes.put('n', bytes('x'), 0),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' })
  }
  const nothing = await view.lease({ limit: 1, maxBytes: 1e6, ttlMs: 1000, closedGates: [] })
  expect(nothing).toEqual({ elsewhere: true })
  await view.sync()
  view.watch(() => undefined)()
  await view.close()
  expect(disk.files()).toEqual(files)
  await storage.close()
})

it('a view finds what its owner has moved meanwhile, and closes every file', async () => {
  const disk = simulatedDisk()
  const options = { directory, segmentBytes: 8192, receipts: { maxCount: 0 } }
  const storage = await openFsStorage({ ...options, fs: disk.port() })
  await add(storage, 'stuck', { lane: 'stuck', gate: 'stuck' })
  for (let at = 0; at < 40; at++) await add(storage, `k${at}`, { payload: new Uint8Array(300) })
  const port = disk.port()
  let open = 0
  const fs: FsPort = {
    ...port,
    open: async (path, mode) => {
      const file = await port.open(path, mode)
      open++
      return {
        ...file,
        close: async () => {
          open--
          await file.close()
        },
      }
    },
  }
  const view = await viewFsStorage(directory, { fs })
  expect(text((await view.read(1))?.payload)).toBe('payload of stuck')
  const path = `${directory}/segment-00000001.log`
  while (disk.files().has(path)) {
    const lease = await take(storage, { closedGates: ['stuck'], limit: 4 })
    await storage.settle(
      lease,
      lease.entries.map(({ sequence }) => ({ sequence, outcome: 'delivered', note: bytes('r') })),
    )
    await storage.sync()
  }
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
  // The file it has open was overwritten; the entry was copied to another one before.
  expect(await view.read(1)).toMatchObject({ key: 'stuck', state: 'waiting' })
  expect(text((await view.read(1))?.payload)).toBe('payload of stuck')
  expect((await view.stats()).quarantined).toBe(0)
  await view.close()
  expect(open).toBe(0)
  await storage.close()
})

it('a view of a damaged entry shows it as quarantined and leaves it to the owner to write that down', async () => {
  const disk = simulatedDisk()
  const storage = await openFsStorage({ directory, fs: disk.port() })
  for (const key of ['a', 'b']) await add(storage, key)
  await storage.close()
  const path = `${directory}/segment-00000001.log`
  const data = disk.files().get(path)?.slice() ?? new Uint8Array(0)
  data[Buffer.from(data).indexOf('payload of a')] = 0xff
  disk.put(path, data)
  const files = disk.files()
  const view = await viewFsStorage(directory, { fs: disk.port() })
  expect(await view.read(1)).toMatchObject({ state: 'quarantined' })
  expect(text((await view.read(2))?.payload)).toBe('payload of b')
  await view.close()
  expect(disk.files()).toEqual(files)
})

it('a view below a seal opens what was sealed', async () => {
  const turned = async (record: Uint8Array): Promise<Uint8Array> => record.map((byte) => byte ^ 0xa5)
  const cipher: RecordCipher = { encrypt: turned, decrypt: turned }
  const disk = simulatedDisk()
  const sealed = await sealStorage(await openFsStorage({ directory, fs: disk.port() }), cipher)
  await add(sealed, 'secret', { lane: 'ward 7' })
  const view = await sealStorage(await viewFsStorage(directory, { fs: disk.port() }), cipher)
  expect(await view.list({ limit: 10 })).toMatchObject([{ key: 'secret', lane: 'ward 7' }])
  expect(text((await view.read(1))?.payload)).toBe('payload of secret')
  await view.close()
  await sealed.close()
})
