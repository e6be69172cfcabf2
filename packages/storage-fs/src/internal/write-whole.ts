import type { FsFile } from '../fs-port.js'

/** Writes everything, in as many steps as the file system wants. */
export async function writeWhole(file: FsFile, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const count = await file.write(done === 0 ? bytes : bytes.subarray(done), position + done)
    if (count <= 0) throw new Error('the file system wrote nothing')
    done += count
  }
}
