import type { FaultKind } from './faults.js'

/** One exchange. `status` is `pending` until it ended, `cut` when the connection ended without an answer. */
export interface LoggedExchange {
  /** 1 for the first exchange of this mock; also the `requestId` in `state.commits`. */
  readonly n: number
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly status: number | 'pending' | 'cut'
  /** Arrival, in milliseconds since 1970 by the mock's clock. */
  readonly at: number
  /** Names in lower case; credentials are replaced by `[redacted]`. */
  readonly requestHeaders: Readonly<Record<string, string>>
  /** The faults that struck it. */
  readonly faults: readonly FaultKind[]
}

export interface ExchangeLog {
  readonly entries: readonly LoggedExchange[]
  start(exchange: Pick<LoggedExchange, 'method' | 'url' | 'faults'> & { readonly headers: Headers }): number
  finish(n: number, status: number | 'cut'): void
}

const secretHeaders = new Set(['authorization', 'antispam', 'cookie', 'proxy-authorization'])

/** Keeps at least the last `limit` exchanges. */
export function createExchangeLog(clock: () => number, limit: number): ExchangeLog {
  const entries: LoggedExchange[] = []
  let last = 0
  return {
    entries,
    start: ({ method, url, faults, headers }) => {
      last += 1
      const requestHeaders = Object.fromEntries(
        [...headers].map(([name, value]) => [name, secretHeaders.has(name) ? '[redacted]' : value]),
      )
      entries.push({ n: last, method, url, status: 'pending', at: clock(), requestHeaders, faults })
      if (entries.length > limit * 2) entries.splice(0, entries.length - limit)
      return last
    },
    finish: (n, status) => {
      const first = entries[0]?.n ?? n
      const entry = entries[n - first]
      if (entry !== undefined) entries[n - first] = { ...entry, status }
    },
  }
}
