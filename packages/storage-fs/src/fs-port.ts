/** An open file. Positions and lengths are bytes. Reads and writes may be short, as in POSIX. */
export interface FsFile {
  /** Resolves to the number of bytes read; 0 at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Resolves to the number of bytes written. */
  write(bytes: Uint8Array, position: number): Promise<number>
  /**
   * Writes and makes this write durable in one step, and says nothing about earlier ones. Optional: without it,
   * or when the space was never written before, `write` and `datasync` do the same in two.
   */
  writeSynced?(bytes: Uint8Array, position: number): Promise<number>
  /** Makes data and size durable. When it rejects, what was written before may never become durable. */
  datasync(): Promise<void>
  truncate(length: number): Promise<void>
  size(): Promise<number>
  /** A second call changes nothing. */
  close(): Promise<void>
}

/** What tells one run of one process from every other, so that a lock left by a dead one can be recognised. */
export interface ProcessIdentity {
  readonly pid: number
  /** Changes with every boot of the machine. */
  readonly boot: string
  /** When the process started, in the platform's own terms; tells a reused pid from the old one. */
  readonly started: string
}

/**
 * The part of a file system that the storage uses. Everything goes through it, so that tests can run the
 * storage on a disk that forgets, fails or is full. Failures reject with an error that has a Node.js `code`
 * such as `ENOENT`, `EEXIST` or `ENOSPC`.
 */
export interface FsPort {
  /** Whether `datasync` and `syncDirectory` survive a power cut on this platform. */
  readonly powerSafe: boolean
  open(path: string, mode: 'read' | 'write'): Promise<FsFile>
  /** Creates a file of mode 0600 for reading and writing. Rejects with `EEXIST`. */
  create(path: string): Promise<FsFile>
  /** Creates a file with this content, all at once and synced. Rejects with `EEXIST` and then changes nothing. */
  publish(path: string, content: Uint8Array): Promise<void>
  /**
   * Gives a file a second name. Rejects with `EEXIST` and then changes nothing. Optional: without it, or when it
   * rejects with `EPERM`, `ENOTSUP` or `ENOSYS`, log files are not prepared in advance.
   */
  link?(from: string, to: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  /** Names only, in any order. */
  readdir(path: string): Promise<readonly string[]>
  /** Creates the directory and its parents with mode 0700, durably; one that exists is left as it is. */
  mkdir(path: string): Promise<void>
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>
  /** The size in bytes, or `undefined` when there is no such file. */
  stat(path: string): Promise<{ readonly size: number } | undefined>
  /** Whether there is such a file, answered at once. Optional: `stat` does the same with a detour. */
  existsNow?(path: string): boolean
  /** Free bytes for this user, or `undefined` where the platform does not tell. */
  freeBytes(path: string): Promise<number | undefined>
  /** The running process. */
  self(): Promise<ProcessIdentity>
  /**
   * When the process of this pid started; `''` when it runs and nobody can tell; `undefined` when none runs.
   * Rejects when that cannot be found out: whoever is not known to be dead is not taken over from.
   */
  processStarted(pid: number): Promise<string | undefined>
}

/** The `code` of a failed system call, when it has one. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether there was no space for what should be written. */
export function isFull(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}
