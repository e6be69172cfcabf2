import type { Locks } from '../../src/index.js'

/** Web Locks for one process, as far as the storage and its tests need them: Node has none. */
export interface ProcessLocks extends Locks {
  /** The holder is gone without a word. */
  steal(name: string): void
}

interface Lock {
  readonly line: (() => void)[]
  end: () => void
}

function abortError(): DOMException {
  return new DOMException('given up', 'AbortError')
}

export function processLocks(): ProcessLocks {
  const locks = new Map<string, Lock>()

  function next(name: string): void {
    const call = locks.get(name)?.line.shift()
    if (call === undefined) locks.delete(name)
    else call()
  }

  async function grant(name: string, lock: Lock, hold: (lock: unknown) => Promise<void>): Promise<void> {
    let over = false
    const stolen = new Promise<never>((_resolve, reject) => {
      lock.end = () => {
        over = true
        reject(abortError())
        next(name)
      }
    })
    try {
      await Promise.race([hold({}), stolen])
    } finally {
      if (!over) next(name)
    }
  }

  return {
    async request(name, { ifAvailable, signal }, hold) {
      const held = locks.get(name)
      if (held === undefined) {
        const lock: Lock = { line: [], end: () => undefined }
        locks.set(name, lock)
        return await grant(name, lock, hold)
      }
      if (ifAvailable === true) return await hold(null)
      await new Promise<void>((resolve, reject) => {
        held.line.push(resolve)
        signal?.addEventListener('abort', () => {
          held.line.splice(held.line.indexOf(resolve), 1)
          reject(abortError())
        })
      })
      return await grant(name, held, hold)
    },
    steal: (name) => locks.get(name)?.end(),
  }
}
