/** What the outbox needs from the world besides storage and transport; replace it to test without waiting. */
export interface OutboxEnvironment {
  /** Milliseconds for waits. Should not jump; waits survive it when it does. */
  now(): number
  /** Milliseconds since 1970, for receipts only. */
  wallClock(): number
  /** From 0 up to 1, for jitter only. */
  random(): number
  /** Calls `fn` once after `ms`. Returns the way to cancel. */
  setTimer(fn: () => void, ms: number): () => void
  /** A lower-case UUID v4. */
  uuid(): string
}

/** `setTimeout` fires at once beyond this. */
const longestTimer = 2 ** 31 - 1

export function defaultEnvironment(): OutboxEnvironment {
  return {
    now: () => performance.now(),
    wallClock: () => Date.now(),
    random: () => Math.random(),
    setTimer(fn, ms) {
      const timer = setTimeout(fn, Math.min(ms, longestTimer))
      return () => clearTimeout(timer)
    },
    uuid,
  }
}

/** `crypto.randomUUID` is missing on pages without TLS, such as one that a gateway serves in a local network. */
function uuid(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID()
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
