const dayMs = 24 * 60 * 60 * 1000

/**
 * How long a server asks to wait, in milliseconds between 0 and 24 hours; `undefined` when it does not say.
 * Understands `Retry-After` (seconds, HTTP date), `x-ms-retry-after-ms`, the `RateLimit` list of a 429 or 503,
 * and Medplum's `_msBeforeNext` inside `diagnostics`.
 */
export function retryAfterMs(
  status: number,
  headers: Headers,
  diagnostics: readonly string[],
  now: () => number,
): number | undefined {
  const asked =
    fromRetryAfter(headers.get('retry-after'), now) ??
    wholeNumber(headers.get('x-ms-retry-after-ms')) ??
    fromDiagnostics(diagnostics) ??
    // Some servers send RateLimit with every answer: it is a request to wait only when one was refused for it.
    (status === 429 || status === 503 ? fromRateLimit(headers.get('ratelimit')) : undefined)
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
  }
  return undefined
}
