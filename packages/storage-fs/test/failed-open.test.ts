import { describe, expect, it } from 'vitest'
import { type FsFile, type FsPort, openFsStorage } from '../src/index.js'
import { simulatedDisk } from './support/simulated-disk.js'
import { add, bytes, deliver, states } from './support/tools.js'

const directory = '/q'
const options = { directory, segmentBytes: 1024, verify: true }

/** Counts what is open. A second `close` counts too: the number may belong to another file by then. */
function counted(port: FsPort): { readonly fs: FsPort; open(): number } {
  let open = 0
  const counting = (file: FsFile): FsFile => {
    open++
    return {
      ...file,
      close: async () => {
        open--
        await file.close()
      },
    }
  }
  const fs: FsPort = {
    ...port,
    open: async (path, mode) => counting(await port.open(path, mode)),
    create: async (path) => counting(await port.create(path)),
  }
  return { fs, open: () => open }
}

/** Everything that an opening can have to deal with: damage, leftovers, a wipe, a torn end. */
async function battered(): Promise<{
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly left: Record<string, string>
}> {
  const disk = simulatedDisk()
  const storage = await openFsStorage({ ...options, fs: disk.port() })
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
    await add(storage, key, { payload: new Uint8Array(300) })
  }
  await deliver(storage, 1)
  await storage.sync()
  disk.crash('process')
  const second = `${directory}/segment-00000002.log`
  const damaged = disk.files().get(second)?.slice() ?? new Uint8Array(0)
  damaged.fill(0xff, 140, 150)
  disk.put(second, damaged)
  disk.put(`${directory}/drained-77.log`, bytes('delivered'))
  disk.put(`${directory}/spare-1-9.log`, new Uint8Array(1024))
  disk.put(`${directory}/quarantine-00000001-1.bin.ab12.tmp`, bytes('half'))
  disk.put(`${directory}/wipe-99.unfinished`, new Uint8Array(0))
  const last =
    [...disk.files().keys()]
      .filter((name) => name.includes('segment-'))
      .sort()
      .at(-1) ?? ''
  disk.put(last, new Uint8Array([...(disk.files().get(last) ?? []), 1, 2, 3]))
  const files = disk.files()
  const seen = await openFsStorage({ ...options, fs: simulatedDisk(files).port() })
  expect(seen.recovery.quarantined).toEqual([2])
  expect(seen.recovery.cutBytes).toBeGreaterThan(0)
  const left = await states(seen)
  await seen.close()
  return { files, left }
}

describe('an opening that fails', () => {
  it.each(['EIO', 'ENOSPC'] as const)(
    'with %s at any call leaves nothing open and no lock, so that the same process can try again',
    async (code) => {
      const { files, left } = await battered()
      let failures = 0
      for (let nth = 1; ; nth++) {
        const disk = simulatedDisk(files)
        const { fs, open } = counted(disk.port())
        disk.fail({ nth, code })
        let failed: unknown
        const storage = await openFsStorage({ ...options, fs }).catch((error: unknown) => {
          failed = error
        })
        const { struck, calls } = disk
        const what = `${code} at call ${nth}: ${calls[nth - 1]}`
        if (storage === undefined) {
          failures++
          expect(failed, what).toMatchObject({ code: 'ERR_STORAGE_FAILED' })
          expect(open(), what).toBe(0)
        } else await storage.close().catch(() => undefined)
        disk.fail(undefined)
        const again = await openFsStorage({ ...options, fs })
        expect(await states(again), what).toEqual(left)
        await again.close()
        expect(open(), what).toBe(0)
        if (!struck) break
      }
      expect(failures).toBeGreaterThan(30)
    },
  )
})

it('a life that a failing disk ended leaves nothing open once it is closed', async () => {
  for (let nth = 1; ; nth += 3) {
    const disk = simulatedDisk()
    const { fs, open } = counted(disk.port())
    const storage = await openFsStorage({ ...options, fs, receipts: { maxCount: 0 } })
    disk.fail({ nth, code: 'EIO' })
    try {
      for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) {
        await add(storage, key, { payload: new Uint8Array(300) })
        if (key !== 'a') await deliver(storage, 1)
      }
    } catch {
      // What it is about.
    }
    await storage.close().catch(() => undefined)
    const { struck, calls } = disk
    expect(open(), `EIO at call ${nth}: ${calls[nth - 1]}`).toBe(0)
    disk.fail(undefined)
    const again = await openFsStorage({ ...options, fs })
    await again.close()
    if (!struck) break
  }
})
