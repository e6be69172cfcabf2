/** The part of Web Locks that is needed; `navigator.locks` fits. */
export interface Locks {
  request(
    name: string,
    options: { readonly ifAvailable?: boolean; readonly signal?: AbortSignal },
    hold: (lock: unknown) => Promise<void>,
  ): Promise<unknown>
}

/** The right to drain, which at most one handle of all tabs and workers has. */
export interface DrainRight {
  /** A Web Lock stands behind it: nobody else can have it. Without one the database has to be asked. */
  readonly proven: boolean
  /** Whether this handle has it now; if not, it stands in line from the first call on. */
  acquire(): Promise<boolean>
  held(): boolean
  /** Runs the work if nobody has the right, holding it meanwhile. */
  whenFree(work: () => Promise<void>): Promise<void>
  release(): Promise<void>
}

/** Where there are no Web Locks: everybody may ask the database, which knows who drains and until when. */
function withoutLocks(): DrainRight {
  return {
    proven: false,
    acquire: () => Promise.resolve(true),
    held: () => true,
    whenFree: (work) => work(),
    release: () => Promise.resolve(),
  }
}

export function drainRight(
  locks: Locks | undefined,
  name: string,
  { gained, lost }: { readonly gained: () => void; readonly lost: () => void },
): DrainRight {
  if (locks === undefined) return withoutLocks()
  const waiting = new AbortController()
  let state: 'free' | 'in line' | 'held' | 'over' = 'free'
  let letGo: (() => void) | undefined
  let line: Promise<unknown> = Promise.resolve()
  let asking: Promise<void> | undefined

  async function hold(lock: unknown): Promise<void> {
    if (lock === null || state === 'over') return
    const released = new Promise<void>((resolve) => {
      letGo = resolve
    })
    state = 'held'
    gained()
    await released
  }

  /** Resolves when the lock is held, or refused. */
  async function ask(holder: Locks): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const first = holder.request(name, { ifAvailable: true }, async (lock) => {
        const holding = hold(lock)
        resolve()
        await holding
      })
      line = first
      // Taken away, e.g. stolen by a script: whoever has it now drains.
      first.catch((error: unknown) => {
        reject(error)
        fallBack()
      })
    })
    if (state !== 'free') return
    state = 'in line'
    line = holder.request(name, { signal: waiting.signal }, hold)
    line.catch(fallBack)
  }

  function fallBack(): void {
    if (state === 'over') return
    state = 'free'
    lost()
  }

  return {
    proven: true,
    async acquire() {
      if (state === 'free') {
        asking ??= ask(locks).finally(() => {
          asking = undefined
        })
      }
      await asking
      return state === 'held'
    },
    held: () => state === 'held',
    async whenFree(work) {
      await locks.request(name, { ifAvailable: true }, async (lock) => {
        if (lock !== null) await work()
      })
    },
    async release() {
      state = 'over'
      waiting.abort()
      letGo?.()
      await line.catch(() => undefined)
    },
  }
}
