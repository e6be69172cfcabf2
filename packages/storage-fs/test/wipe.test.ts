import { describe, expect, it } from 'vitest'
import { type FsPort, type FsStorage, openFsStorage } from '../src/index.js'
import { images, simulatedDisk, type SimulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, draft, states, take, text } from './support/tools.js'

const directory = '/q'
const marker = 'PATIENT-0815'
const keep = [{ name: 'wiped', bytes: bytes('who and why') }]

function open(disk: SimulatedDisk, fs: FsPort = disk.port()): Promise<FsStorage> {
  return openFsStorage({ directory, fs, segmentBytes: 2048 })
}

function holding(disk: SimulatedDisk): string[] {
  return [...disk.files()].filter(([, data]) => Buffer.from(data).includes(marker)).map(([name]) => name)
}

/** Entries in several segments, one of them damaged and kept aside, a receipt and a note. */
async function lived(disk: SimulatedDisk): Promise<FsStorage> {
  const storage = await open(disk)
  for (let count = 0; count < 12; count++) {
    await add(storage, `k${count}`, { payload: bytes(`${marker} ${'.'.repeat(300)}`), header: bytes(marker) })
  }
  await deliver(storage, 1)
  await storage.notes.put('evidence', bytes(marker), 0)
  await storage.close()
  const [name = '', content = new Uint8Array()] =
    [...disk.files()].find(([path]) => path.includes('segment-00000002')) ?? []
  const damaged = content.slice()
  const at = Buffer.from(damaged).indexOf(`${marker} ...`)
  damaged[at] = 0x2f
  disk.put(name, damaged)
  const again = await openFsStorage({ directory, fs: disk.port(), segmentBytes: 2048, verify: true })
  expect(again.recovery.quarantined).toHaveLength(1)
  return again
}

describe('a wipe', () => {
  it('leaves no byte of any entry, receipt or note in any file, and none in those that are gone', async () => {
    const disk = simulatedDisk()
    const storage = await lived(disk)
    expect(holding(disk).some((name) => name.includes('quarantine-'))).toBe(true)
    const gone = disk.removed.length
    await storage.wipe?.(keep)
    expect(holding(disk)).toEqual([])
    expect(disk.removed.slice(gone).filter((data) => Buffer.from(data).includes(marker))).toEqual([])
    expect([...disk.files().keys()].filter((name) => /wipe-|drained-|quarantine-/.test(name))).toEqual([])
    expect(await states(storage)).toEqual({})
    await storage.close()
  })

  it('comes after what was called before it, and before what was called later', async () => {
    const disk = simulatedDisk()
    const storage = await open(disk)
    await add(storage, 'old')
    const lease = await take(storage)
    const before = storage.append([draft('before')])
    const wiping = storage.wipe?.(keep)
    const after = storage.append([draft('after')])
    const late = storage.settle(lease, [{ sequence: 1, outcome: 'delivered', note: bytes('late') }])
    await expect(late).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' })
    expect(await before).toEqual([{ sequence: 2, duplicate: false }])
    await wiping
    expect(await after).toEqual([{ sequence: 3, duplicate: false }])
    expect(await states(storage)).toEqual({ after: 'waiting' })
    expect(await storage.stats()).toMatchObject({ accepted: 3, waiting: 1, discarded: 2 })
    disk.crash('power')
    const again = await open(disk)
    expect(await states(again)).toEqual({ after: 'waiting' })
    await again.close()
  })

  it.each(['none', 'all', 'staleRecycled'])(
    'that loses power at any call, image %s, happened or did not, and is finished by the next opening',
    async (image) => {
      const seen = new Set<string>()
      for (let nth = 1; ; nth++) {
        const disk = simulatedDisk()
        const storage = await lived(disk)
        disk.fail({ nth, code: 'EIO', forever: true })
        const wiped = await storage.wipe?.(keep).then(
          () => true,
          () => false,
        )
        const { struck } = disk
        disk.fail(undefined)
        disk.crash('power', images[image])
        const again = await open(disk)
        expect(again.recovery, `call ${nth}`).toMatchObject({ quarantined: [], doubtful: [] })
        const note = text((await again.notes.get('wiped'))?.bytes)
        const left = Object.keys(await states(again)).length
        if (wiped === true) expect(note, `call ${nth}`).toBe('who and why')
        seen.add(note === undefined ? 'not wiped' : 'wiped')
        expect(left, `call ${nth}`).toBe(note === undefined ? 12 : 0)
        expect(await again.stats()).toMatchObject({ accepted: 12, delivered: 1 })
        // Closing waits for what is overwritten in the background.
        await again.close()
        if (note !== undefined) expect(holding(disk), `call ${nth}`).toEqual([])
        expect([...disk.files().keys()].filter((name) => name.includes('wipe-'))).toEqual([])
        if (!struck) break
      }
      expect([...seen].sort()).toEqual(['not wiped', 'wiped'])
    },
  )
})
