import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Writes a file so that its name shows the old content or the new one, also after a power cut. */
export async function writeWhole(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const written = `${path}.${randomUUID()}.tmp`
  try {
    const file = await open(written, 'wx', mode)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(written, path)
  } catch (error) {
    await rm(written, { force: true })
    throw error
  }
  const directory = await open(dirname(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
