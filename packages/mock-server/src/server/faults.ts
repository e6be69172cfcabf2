import { MockServerError } from '../errors.js'

/** What happens to an exchange. */
export type Fault =
  /** The connection ends before anything is processed. */
  | { readonly kind: 'cut-before' }
  /** The request is processed and committed, then the connection ends without an answer. */
  | { readonly kind: 'cut-after' }
  /** The request is processed twice, as by a proxy that repeats it; the second answer is given. */
  | { readonly kind: 'duplicate' }
  /** This answer is given; nothing is processed unless `processed` is true. */
  | {
      readonly kind: 'status'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
      readonly processed?: boolean
    }
  /** A redirection (default 307) to another address; nothing is processed. */
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: 301 | 302 | 303 | 307 | 308 }
  /** A page of HTML with status 200 (or another) in place of the server; nothing is processed. */
  | { readonly kind: 'captive-portal'; readonly status?: number }
  /** The data base behind the server is away, and the server says 400 to it; nothing is processed. */
  | { readonly kind: 'outage' }
  /** The answer ends after this many bytes of its body, though its Content-Length promised more. */
  | { readonly kind: 'truncate'; readonly bytes: number }
  /** The Content-Length of the answer is wrong by this many bytes. Only over a socket. */
  | { readonly kind: 'wrong-length'; readonly by: number }
  /** Entries of a batch fail by themselves, a transaction with one of them fails as a whole. Indexes start at 0. */
  | { readonly kind: 'fail-entries'; readonly entries: readonly number[]; readonly status: number }
  /** No answer comes, nothing is processed, until the client gives up or the fault is removed. */
  | { readonly kind: 'hang' }
  /**
   * The connection ends, nothing is processed, and the port stays closed (clients see a refused connection) until
   * `ms` milliseconds have passed or `resume()` is called. Only over a socket.
   */
  | { readonly kind: 'refuse'; readonly ms?: number }
  | FaultModifier

/** Faults that add up with each other and with one fault of another kind. */
export type FaultModifier =
  /** The request waits this many milliseconds before anything else. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** The body of the answer comes `bytes` at a time (default 16), a wait of `everyMs` milliseconds before each. */
  | { readonly kind: 'drip'; readonly everyMs: number; readonly bytes?: number }
  /** Searches, and conditions that need one, see the store as it was this many milliseconds ago. */
  | { readonly kind: 'search-lag'; readonly ms: number }
  /** If-Match, If-None-Match, If-Modified-Since and If-None-Exist are not there, nor their members in entries. */
  | { readonly kind: 'ignore-conditions' }
  /** The server's clock is this many milliseconds ahead (negative: behind) in this exchange. */
  | { readonly kind: 'clock-skew'; readonly ms: number }

export type FaultKind = Fault['kind']
type MainFault = Exclude<Fault, FaultModifier>

export interface FaultRule {
  /** Any method when left out. */
  readonly method?: string
  /** A text that path and query must contain, or a pattern for them. Everything when left out. */
  readonly url?: string | RegExp
  /** How many exchanges it strikes; default 1, `Infinity` for all. */
  readonly times?: number
  /** How many matching exchanges pass first; default 0. */
  readonly skip?: number
  readonly fault: Fault
}

export interface FaultHandle {
  /** Exchanges struck so far. */
  readonly hits: number
  remove(): void
}

export interface Faults {
  /**
   * Adds a rule. Of the rules that fit an exchange, every modifier acts and the first other one acts.
   * @throws MockServerError `ERR_MOCK_FAULT` for a rule that makes no sense, `ERR_MOCK_FAULT_MODE` for what needs a
   * socket while nothing listens.
   */
  add(rule: FaultRule): FaultHandle
  clear(): void
}

/** What strikes one exchange. */
export interface Strike {
  readonly kinds: readonly FaultKind[]
  readonly delayMs: number
  readonly drip: { readonly bytes: number; readonly everyMs: number } | undefined
  readonly searchLagMs: number
  readonly ignoreConditions: boolean
  readonly clockSkewMs: number
  readonly fault: MainFault | undefined
  /** Settles when the rule of `fault` is removed. */
  readonly removed: Promise<void>
}

export interface FaultBoard extends Faults {
  take(method: string, url: string): Strike
}

interface ActiveRule {
  readonly rule: FaultRule
  skip: number
  left: number
  hits: number
  readonly removed: Promise<void>
  readonly release: () => void
}

function refuse(text: string): never {
  throw new MockServerError('ERR_MOCK_FAULT', text, 'Correct the rule given to `faults.add`.')
}

const finite = (value: number): boolean => Number.isFinite(value)
const duration = (value: number | undefined): boolean => value === undefined || (finite(value) && value >= 0)
const count = (value: number): boolean => Number.isInteger(value) && value >= 0
const httpStatus = (value: number | undefined): boolean =>
  value === undefined || (Number.isInteger(value) && value >= 200 && value <= 599)

/** One row for every kind: what its rule must satisfy, and where it can strike. */
export const faultKinds: {
  readonly [K in FaultKind]: {
    readonly needsSocket?: true
    /** What is wrong with the fault, if anything. */
    check?(fault: Extract<Fault, { readonly kind: K }>): string | undefined
  }
} = {
  'cut-before': {},
  'cut-after': {},
  duplicate: {},
  status: { check: ({ status }) => (httpStatus(status) ? undefined : '`status` must be 200 to 599.') },
  redirect: { check: ({ location }) => (location === '' ? '`location` is empty.' : undefined) },
  'captive-portal': {
    check: ({ status }) => (httpStatus(status) ? undefined : '`status` must be 200 to 599.'),
  },
  outage: {},
  truncate: { check: ({ bytes }) => (count(bytes) ? undefined : '`bytes` must be a whole number.') },
  'wrong-length': {
    needsSocket: true,
    check: ({ by }) => (Number.isInteger(by) && by !== 0 ? undefined : '`by` must be a whole number, not 0.'),
  },
  'fail-entries': {
    check: ({ entries, status }) =>
      entries.length > 0 && entries.every(count) && status >= 400 && httpStatus(status)
        ? undefined
        : '`entries` must be indexes and `status` 400 to 599.',
  },
  hang: {},
  refuse: {
    needsSocket: true,
    check: ({ ms }) => (duration(ms) ? undefined : '`ms` must be a number of milliseconds.'),
  },
  delay: { check: ({ ms }) => (duration(ms) ? undefined : '`ms` must be a number of milliseconds.') },
  drip: {
    check: ({ everyMs, bytes }) =>
      duration(everyMs) && (bytes === undefined || (count(bytes) && bytes > 0))
        ? undefined
        : '`everyMs` must be milliseconds and `bytes` above 0.',
  },
  'search-lag': { check: ({ ms }) => (duration(ms) ? undefined : '`ms` must be a number of milliseconds.') },
  'ignore-conditions': {},
  'clock-skew': { check: ({ ms }) => (finite(ms) ? undefined : '`ms` must be a number of milliseconds.') },
}

function checkRule({ fault, times = 1, skip = 0 }: FaultRule): void {
  if (!(times > 0) || !(skip >= 0)) refuse('`times` must be above 0 and `skip` not below.')
  if (!Object.hasOwn(faultKinds, fault.kind)) refuse(`There is no fault \`${String(fault.kind)}\`.`)
  // Each row takes the fault of its own kind; the table's type says so, the lookup cannot.
  const check = faultKinds[fault.kind].check as ((fault: Fault) => string | undefined) | undefined
  const wrong = check?.(fault)
  if (wrong !== undefined) refuse(wrong)
}

const modifiers: ReadonlySet<FaultKind> = new Set<FaultModifier['kind']>([
  'delay',
  'drip',
  'search-lag',
  'ignore-conditions',
  'clock-skew',
])
const isModifier = (fault: Fault): fault is FaultModifier => modifiers.has(fault.kind)

/** `missing` names kinds that are known and then do nothing: tests show with it that each one is needed. */
export function createFaults(
  isListening: () => boolean,
  missing: ReadonlySet<FaultKind> = new Set(),
): FaultBoard {
  const rules = new Set<ActiveRule>()
  const drop = (active: ActiveRule): void => {
    rules.delete(active)
    active.release()
  }
  return {
    add: (rule) => {
      checkRule(rule)
      const { kind } = rule.fault
      if (faultKinds[kind].needsSocket === true && !isListening()) {
        throw new MockServerError(
          'ERR_MOCK_FAULT_MODE',
          `The fault \`${kind}\` needs a socket, and nothing listens.`,
          'Call `listen()` first; without a socket use `cut-before` or `truncate`.',
        )
      }
      let release = (): void => undefined
      const removed = new Promise<void>((resolve) => {
        release = resolve
      })
      const active: ActiveRule = {
        rule,
        skip: rule.skip ?? 0,
        left: rule.times ?? 1,
        hits: 0,
        removed,
        release,
      }
      rules.add(active)
      return {
        get hits() {
          return active.hits
        },
        remove: () => drop(active),
      }
    },
    clear: () => {
      for (const active of rules) drop(active)
    },
    take: (method, url) => {
      const struck: ActiveRule[] = []
      for (const active of rules) {
        const { fault } = active.rule
        if (active.left <= 0 || !fits(active.rule, method, url)) continue
        if (!isModifier(fault) && struck.some(({ rule }) => !isModifier(rule.fault))) continue
        if (active.skip > 0) {
          active.skip -= 1
          continue
        }
        active.left -= 1
        active.hits += 1
        if (!missing.has(fault.kind)) struck.push(active)
      }
      return toStrike(struck)
    },
  }
}

function toStrike(struck: readonly ActiveRule[]): Strike {
  const faults = struck.map(({ rule }) => rule.fault)
  const main = struck.find(({ rule }) => !isModifier(rule.fault))
  const fault = main?.rule.fault
  const sum = (kind: 'delay' | 'search-lag' | 'clock-skew'): number =>
    faults.reduce((total, one) => total + (one.kind === kind ? one.ms : 0), 0)
  const drip = faults.find((one) => one.kind === 'drip')
  return {
    kinds: faults.map(({ kind }) => kind),
    delayMs: sum('delay'),
    drip: drip && { bytes: drip.bytes ?? 16, everyMs: drip.everyMs },
    searchLagMs: sum('search-lag'),
    ignoreConditions: faults.some(({ kind }) => kind === 'ignore-conditions'),
    clockSkewMs: sum('clock-skew'),
    fault: fault === undefined || isModifier(fault) ? undefined : fault,
    removed: main?.removed ?? Promise.resolve(),
  }
}

function fits({ method, url }: FaultRule, actualMethod: string, actualUrl: string): boolean {
  if (method !== undefined && method.toUpperCase() !== actualMethod) return false
  if (url === undefined) return true
  if (typeof url === 'string') return actualUrl.includes(url)
  // `g` and `y` would make the answer depend on the last one.
  return new RegExp(url.source, url.flags.replaceAll(/[gy]/g, '')).test(actualUrl)
}
