import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { QueueStorage } from '@fhir-outbox/queue-core'
import { runStorageContract } from '@fhir-outbox/queue-core/storage-contract'
import { afterAll, describe, it } from 'vitest'
import { nodeFs, openFsStorage } from '../src/index.js'
import { killable, type Killable } from './support/killable.js'
import { simulatedDisk, type SimulatedDisk } from './support/simulated-disk.js'
import { testClock } from './support/tools.js'

interface OnFiles {
  readonly directory: string
  readonly process: Killable
}

const directories: string[] = []
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
})

/** The suite closes what it has crashed; a dead process has nothing to close. */
function crashable(storage: QueueStorage): { handle: QueueStorage; dead: () => void } {
  let isDead = false
  const handle = {
    ...storage,
    close: async () => {
      if (!isDead) await storage.close()
    },
  }
  return {
    handle,
    dead: () => {
      isDead = true
    },
  }
}

{
  const clock = testClock()
  const homes = new Map<QueueStorage, OnFiles & { dead: () => void }>()
  const openIn = async (directory: string): Promise<QueueStorage> => {
    const process = killable(nodeFs())
    const opened = await openFsStorage({ directory, fs: process.fs, now: clock.now, segmentBytes: 4096 })
    const { handle, dead } = crashable(opened)
    homes.set(handle, { directory, process, dead })
    return handle
  }
  const homeOf = (storage: QueueStorage): OnFiles & { dead: () => void } => {
    const home = homes.get(storage)
    if (home === undefined) throw new Error('unknown storage')
    return home
  }
  runStorageContract({
    name: 'contract on real files',
    runner: { describe, it },
    create: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'storage-fs-contract-'))
      directories.push(directory)
      return await openIn(directory)
    },
    elapse: clock.advance,
    setBack: (ms) => clock.advance(-ms),
    reopen: (storage) => openIn(homeOf(storage).directory),
    crash: async (storage) => {
      const { directory, process, dead } = homeOf(storage)
      process.kill()
      dead()
      return await openIn(directory)
    },
  })
}

/** Spoils the payload of an entry where it lies. */
function damage(disk: SimulatedDisk, sequence: number): void {
  for (const [path, data] of disk.files()) {
    if (!path.includes('segment-')) continue
    const view = new DataView(data.buffer, data.byteOffset, data.length)
    for (
      let at = data.indexOf(0x46, 128);
      at !== -1 && at + 48 <= data.length;
      at = data.indexOf(0x46, at + 1)
    ) {
      const isEntry = view.getUint32(at, true) === 0x46424f46 && view.getUint8(at + 8) === 1
      if (!isEntry || view.getUint32(at + 32, true) !== sequence) continue
      const spoilt = data.slice()
      const place = at + 48 + view.getUint32(at + 12, true)
      spoilt[place] = (spoilt[place] ?? 0) ^ 1
      disk.put(path, spoilt)
      return
    }
  }
  throw new Error(`no record of entry ${sequence}`)
}

{
  const clock = testClock()
  const disks = new Map<QueueStorage, { disk: SimulatedDisk; dead: () => void }>()
  const openOn = async (disk: SimulatedDisk): Promise<QueueStorage> => {
    const opened = await openFsStorage({ directory: '/q', fs: disk.port(), now: clock.now })
    const { handle, dead } = crashable(opened)
    disks.set(handle, { disk, dead })
    return handle
  }
  const diskOf = (storage: QueueStorage): { disk: SimulatedDisk; dead: () => void } => {
    const found = disks.get(storage)
    if (found === undefined) throw new Error('unknown storage')
    return found
  }
  runStorageContract({
    name: 'contract on a disk that forgets what was not synced',
    runner: { describe, it },
    create: () => openOn(simulatedDisk()),
    elapse: clock.advance,
    setBack: (ms) => clock.advance(-ms),
    reopen: (storage) => openOn(diskOf(storage).disk),
    damage: async (storage, sequence) => damage(diskOf(storage).disk, sequence),
    crash: async (storage, level) => {
      const { disk, dead } = diskOf(storage)
      disk.crash(level)
      dead()
      return await openOn(disk)
    },
  })
}
