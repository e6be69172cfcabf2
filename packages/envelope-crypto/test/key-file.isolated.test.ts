import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { createKeyFile } from '../src/node/index.js'

const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })

/** Every file opens, and none can be written. */
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>()
  return {
    ...fs,
    async open(...args: Parameters<typeof fs.open>) {
      const file = await fs.open(...args)
      vi.spyOn(file, 'writeFile').mockRejectedValue(full)
      return file
    },
  }
})

it('leaves nothing behind when the disk is full', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'key-file-'))
  try {
    await expect(createKeyFile(join(folder, 'records.key'))).rejects.toBe(full)
    expect(await readdir(folder)).toEqual([])
  } finally {
    await rm(folder, { recursive: true })
  }
})
