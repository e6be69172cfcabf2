import type { AccessToken, TokenRequest, TokenSource } from '../types.js'
import { AuthError } from '../errors.js'
import { isAbortError, throwIfAborted, untilAborted } from './abort.js'

/** What one token request gave: the token, and how long it lives when the server said so. */
export interface IssuedToken {
  readonly token: AccessToken
  readonly lifetimeMs?: number
}

interface Held extends IssuedToken {
  /** From here on a new one is fetched in the background. */
  readonly renewAt: number
  /** From here on callers wait for the new one: a request sent now might arrive too late. */
  readonly handoverAt: number
  readonly expiresAt: number
}

interface Flight {
  readonly promise: Promise<AccessToken>
  readonly controller: AbortController
  waiters: number
}

export interface TokenCacheOptions {
  readonly request: (signal: AbortSignal) => Promise<IssuedToken>
  /** Throws when the URL must not get a token. */
  readonly guard: (url: string) => void
  readonly now: () => number
}

export interface TokenCache extends TokenSource {
  /** Forgets the token; a request under way will not bring it back. */
  clear(): void
}

const retryRenewalMs = 30_000

function hold(issued: IssuedToken): Held {
  const { token, lifetimeMs } = issued
  if (token.expiresAt === undefined || lifetimeMs === undefined) {
    return { ...issued, renewAt: Infinity, handoverAt: Infinity, expiresAt: Infinity }
  }
  const renewal = Math.min(Math.max(30_000, lifetimeMs / 10), lifetimeMs / 2)
  const handover = Math.min(5_000, lifetimeMs / 4)
  return {
    ...issued,
    renewAt: token.expiresAt - renewal,
    handoverAt: token.expiresAt - handover,
    expiresAt: token.expiresAt,
  }
}

/** One token in memory, one request at a time. */
export function createTokenCache(options: TokenCacheOptions): TokenCache {
  const { request, guard, now } = options
  let held: Held | undefined
  let flight: Flight | undefined
  let nextRenewalAt = 0

  function start(): Flight {
    const controller = new AbortController()
    const started: Flight = {
      controller,
      waiters: 0,
      promise: request(controller.signal)
        .then((issued) => {
          if (flight === started) {
            held = hold(issued)
            nextRenewalAt = 0
          }
          return issued.token
        })
        .finally(() => {
          if (flight === started) flight = undefined
        }),
    }
    // Whoever waits gets the rejection; a flight that everybody has left must not end the process.
    started.promise.catch(() => undefined)
    return started
  }

  async function join(signal: AbortSignal | undefined): Promise<AccessToken> {
    flight ??= start()
    const joined = flight
    joined.waiters += 1
    try {
      return await untilAborted(joined.promise, signal)
    } finally {
      joined.waiters -= 1
      if (joined.waiters === 0 && flight === joined) {
        flight = undefined
        joined.controller.abort()
      }
    }
  }

  function renewInBackground(): void {
    if (flight !== undefined || now() < nextRenewalAt) return
    flight = start()
    flight.waiters += 1 // Never given back: nobody who joins and leaves may cancel it.
    flight.promise.catch((error: unknown) => {
      const wait = error instanceof AuthError ? error.retryAfterMs : undefined
      nextRenewalAt = now() + Math.max(retryRenewalMs, wait ?? 0)
    })
  }

  async function getToken({ url, rejected, signal }: TokenRequest): Promise<AccessToken> {
    guard(url)
    throwIfAborted(signal)
    if (rejected !== undefined && held?.token.value === rejected) held = undefined
    const known = held
    if (known !== undefined && now() < known.handoverAt) {
      if (now() >= known.renewAt) renewInBackground()
      return known.token
    }
    try {
      return await join(signal)
    } catch (error) {
      if (!isAbortError(error) && held !== undefined && held === known && now() < known.expiresAt) {
        return known.token
      }
      throw error
    }
  }

  return {
    getToken,
    clear() {
      held = undefined
      flight?.controller.abort()
      flight = undefined
    },
  }
}
