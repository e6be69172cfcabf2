import type { ResponseHeaders } from './sender.js'

const dayMs = 24 * 60 * 60 * 1000

/**
 * How long a server asks to wait, in milliseconds between 0 and 24 hours; `undefined` when it does not say.
 * Understands `Retry-After` (seconds, HTTP date), `retry-after-ms` and `x-ms-retry-after-ms`, Medplum's
 * `_msBeforeNext` inside `diagnostics`, Google's `retryDelay`, and of a 429 or 503 the `RateLimit` list and the
 * older `RateLimit-Reset` and `X-RateLimit-Reset`.
 */
export function retryAfterMs(
  status: number,
  headers: ResponseHeaders,
  diagnostics: readonly string[],
  now: () => number,
): number | undefined {
  const asked =
    fromRetryAfter(headers.get('retry-after'), now) ??
    wholeNumber(headers.get('retry-after-ms')) ??
    wholeNumber(headers.get('x-ms-retry-after-ms')) ??
    fromDiagnostics(diagnostics) ??
    // Some servers tell their limits with every answer: it is a request to wait only when one was refused for it.
    (status === 429 || status === 503 ? fromLimits(headers, now) : undefined)
  return asked === undefined ? undefined : Math.min(Math.max(asked, 0), dayMs)
}

function fromRetryAfter(value: string | null, now: () => number): number | undefined {
  const text = value?.trim() ?? ''
  if (/^-?\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000)
  // Date.parse alone would take words and bare numbers for dates.
  if (!/^[A-Za-z]{3,9},? |^\d{4}-\d{2}-\d{2}T/.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : at - now()
}

function wholeNumber(value: string | null): number | undefined {
  const text = value?.trim() ?? ''
  return /^\d+$/.test(text) ? Number(text) : undefined
}

function fromLimits(headers: ResponseHeaders, now: () => number): number | undefined {
  return (
    fromRateLimit(headers.get('ratelimit')) ??
    fromReset(headers.get('ratelimit-reset'), now) ??
    fromReset(headers.get('x-ratelimit-reset'), now)
  )
}

/** Seconds from now, or a moment in seconds or milliseconds since the epoch: nobody agrees, but the sizes tell. */
function fromReset(value: string | null, now: () => number): number | undefined {
  const reset = wholeNumber(value)
  if (reset === undefined) return undefined
  if (reset < 1e9) return reset * 1000
  return (reset < 1e12 ? reset * 1000 : reset) - now()
}

/** `"requests";r=0;t=60, "points";r=5;t=10`: the longest wait among exhausted limits, else among all. */
function fromRateLimit(value: string | null): number | undefined {
  const limits = (value ?? '').split(',').flatMap((item) => {
    const seconds = /;\s*t=(\d+)/.exec(item)?.[1]
    const remaining = /;\s*r=(\d+)/.exec(item)?.[1]
    return seconds === undefined ? [] : [{ ms: Number(seconds) * 1000, exhausted: remaining === '0' }]
  })
  const exhausted = limits.filter((limit) => limit.exhausted)
  const waits = (exhausted.length > 0 ? exhausted : limits).map((limit) => limit.ms)
  return waits.length > 0 ? Math.max(...waits) : undefined
}

function fromDiagnostics(diagnostics: readonly string[]): number | undefined {
  for (const text of diagnostics) {
    const ms = /"_msBeforeNext"\s*:\s*(\d+)/.exec(text)?.[1]
    if (ms !== undefined) return Number(ms)
    const seconds = /"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"/.exec(text)?.[1]
    if (seconds !== undefined) return Math.round(Number(seconds) * 1000)
  }
  return undefined
}
