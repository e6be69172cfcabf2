import { createListeners } from './listeners.js'

/** Tells the listeners of this handle and the other tabs that something may have changed. */
export interface Bell {
  /** Whether the others can be heard; else only the database tells. */
  readonly hears: boolean
  watch(listener: () => void): () => void
  /** `quietly`: only the others; here it is known. */
  ring(quietly?: boolean): void
  close(): void
}

export interface BellOptions {
  /** Another handle has committed something. */
  readonly heard: () => void
  readonly name: string
  /** A number that changes with every commit, where tabs cannot be told. */
  readonly version: () => Promise<number>
  readonly pollMs: number
}

/** What is said is nothing but that there is news: no data passes between tabs. */
export function createBell({ name, version, pollMs, heard }: BellOptions): Bell {
  const listeners = createListeners<void>()
  const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel(name) : undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let seen: number | undefined
  let closed = false
  let ringing = false
  let aloud = false

  function hear(): void {
    heard()
    listeners.tell()
  }

  /** The person has come back to a page that the browser had put aside: it has heard nothing meanwhile. */
  function comeBack({ persisted }: PageTransitionEvent): void {
    if (persisted) hear()
  }

  channel?.addEventListener('message', hear)
  globalThis.addEventListener?.('pageshow', comeBack)

  function strike(): void {
    ringing = false
    if (closed) return
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    channel?.postMessage('')
    const here = aloud
    aloud = false
    if (here) listeners.tell()
  }

  /** Somebody may have committed something without being able to say so. */
  async function poll(): Promise<void> {
    const current = await version().catch(() => seen)
    if (seen !== undefined && current !== seen) listeners.tell()
    seen = current
    timer = undefined
    arm()
  }

  function arm(): void {
    if (channel !== undefined || closed || timer !== undefined || listeners.size === 0) return
    timer = setTimeout(() => void poll(), pollMs)
  }

  return {
    hears: channel !== undefined,
    watch(listener) {
      const stop = listeners.add(listener)
      if (channel === undefined && seen === undefined) void poll()
      else arm()
      return stop
    },
    ring(quietly = false) {
      aloud ||= !quietly
      if (ringing) return
      ringing = true
      // Once for all calls that one commit answers. Not by a timer: those of hidden tabs are slow.
      queueMicrotask(strike)
    },
    close() {
      if (ringing) strike()
      closed = true
      clearTimeout(timer)
      listeners.clear()
      channel?.close()
      globalThis.removeEventListener?.('pageshow', comeBack)
    },
  }
}
