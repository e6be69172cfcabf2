import type { AccessToken, TokenRequest, TokenSource } from '../types.js'
import { AuthError } from '../errors.js'
import { isAbortError, throwIfAborted, untilAborted } from './abort.js'

/** What one token request gave: the token, and how long it lives when the server said so. */
export interface IssuedToken {
  readonly token: AccessToken
  readonly lifetimeMs?: number
  /** Still valid, and due for renewal, which has just failed. */
  readonly overdue?: boolean
}

interface Held extends IssuedToken {
  /** From here on a new one is fetched in the background. */
  readonly renewAt: number
  /** From here on callers wait for the new one: a request sent now might arrive too late. */
  readonly handoverAt: number
  readonly expiresAt: number
  /** When it was fetched because the server had refused the one before. */
  readonly forcedAt: number | undefined
}

interface Flight {
  readonly promise: Promise<AccessToken>
  readonly controller: AbortController
  waiters: number
}

/** Why a token is asked for. */
export interface TokenNeed {
  /** A token that a server has just answered with 401. */
  readonly refused: string | undefined
  /** The token in hand, which is close to its end. */
  readonly held: string | undefined
}

export interface TokenCacheOptions {
  readonly request: (signal: AbortSignal, need: TokenNeed) => Promise<IssuedToken>
  /** Throws when the URL must not get a token. */
  readonly guard: (url: string) => void
  readonly now: () => number
  readonly random: () => number
}

export interface TokenCache extends TokenSource {
  /** Forgets the token; a request under way will not bring it back. */
  clear(): void
}

const retryRenewalMs = 30_000
/** A server that refuses one new token after the other gets at most one in this time. */
const forcedPauseMs = 60_000

/** From when on a token is renewed: 30 s or a tenth of its life before its end, and up to a fifth of that earlier. */
export function renewalTime(expiresAt: number, lifetimeMs: number, random: () => number): number {
  const margin = Math.max(30_000, lifetimeMs / 10) * (1 + random() / 5)
  return expiresAt - Math.min(margin, lifetimeMs / 2)
}

function hold(issued: IssuedToken, random: () => number, forcedAt: number | undefined): Held {
  const { token, lifetimeMs } = issued
  if (token.expiresAt === undefined || lifetimeMs === undefined) {
    return { ...issued, renewAt: Infinity, handoverAt: Infinity, expiresAt: Infinity, forcedAt }
  }
  return {
    ...issued,
    renewAt: renewalTime(token.expiresAt, lifetimeMs, random),
    handoverAt: token.expiresAt - Math.min(5_000, lifetimeMs / 4),
    expiresAt: token.expiresAt,
    forcedAt,
  }
}

/** One token in memory, one request at a time. */
export function createTokenCache(options: TokenCacheOptions): TokenCache {
  const { request, guard, now, random } = options
  let held: Held | undefined
  let flight: Flight | undefined
  let refused: string | undefined
  let nextRenewalAt = 0

  function start(): Flight {
    const controller = new AbortController()
    const forced = refused
    const started: Flight = {
      controller,
      waiters: 0,
      promise: request(controller.signal, { refused: forced, held: held?.token.value })
        .then((issued) => {
          if (flight === started) {
            held = hold(issued, random, forced === undefined ? undefined : now())
            refused = undefined
            nextRenewalAt = issued.overdue === true ? now() + retryRenewalMs : 0
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
    if (rejected !== undefined && (held === undefined || held.token.value === rejected)) {
      const since = held?.forcedAt
      if (since !== undefined && now() >= since && now() - since < forcedPauseMs) throw refusedAgain()
      held = undefined
      refused = rejected
    }
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
      refused = undefined
      flight?.controller.abort()
      flight = undefined
    },
  }
}

function refusedAgain(): AuthError {
  return new AuthError('ERR_LOGIN_REQUIRED', 'The server refuses a token that was issued a moment ago', {
    hint: 'Check that authorization server and FHIR server belong together, and what this client may do there.',
    status: 401,
  })
}
