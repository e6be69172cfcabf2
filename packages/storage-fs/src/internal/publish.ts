import { type FsPort, systemCode } from '../fs-port.js'
import { writeWhole } from './write-whole.js'

/** Codes of file systems without hard links: FAT, some network mounts. */
export function hasNoLinks(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP' || code === 'ENOSYS'
}

async function writeNew(
  fs: Pick<FsPort, 'create' | 'unlink'>,
  path: string,
  content: Uint8Array,
): Promise<void> {
  const file = await fs.create(path)
  try {
    try {
      await writeWhole(file, content, 0)
      await file.datasync()
    } finally {
      await file.close()
    }
  } catch (error) {
    // Half of it must not pass for the whole.
    await fs.unlink(path).catch(() => undefined)
    throw error
  }
}

/**
 * `FsPort.publish` out of smaller steps: a hard link makes name and content appear in one step, so that nobody
 * ever reads half a lock file. `draft`: a name that nobody else uses.
 */
export async function publishWith(
  fs: Pick<FsPort, 'create' | 'link' | 'unlink'>,
  path: string,
  draft: string,
  content: Uint8Array,
): Promise<void> {
  try {
    await writeNew(fs, draft, content)
    if (fs.link === undefined) throw Object.assign(new Error('no hard links'), { code: 'ENOTSUP' })
    await fs.link(draft, path)
  } catch (error) {
    // Exclusive creation is the best there is then.
    if (!hasNoLinks(error)) throw error
    await writeNew(fs, path, content)
  } finally {
    await fs.unlink(draft).catch(() => undefined)
  }
}
