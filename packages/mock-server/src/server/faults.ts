import { MockServerError } from '../errors.js'

/** What happens to an exchange. */
export type Fault =
  /** The connection ends before anything is processed. */
  | { readonly kind: 'cut-before' }
  /** The request is processed and committed, then the connection ends without an answer. */
  | { readonly kind: 'cut-after' }
  /** This answer is given; nothing is processed unless `processed` is true. */
  | {
      readonly kind: 'status'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
      readonly processed?: boolean
    }
  /** The request waits this many milliseconds, then goes on. Adds up with a fault of another kind. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** No answer comes, nothing is processed, until the client gives up or the fault is removed. */
  | { readonly kind: 'hang' }
  /**
   * The connection ends, nothing is processed, and the port stays closed (clients see a refused connection) until
   * `ms` milliseconds have passed or `resume()` is called. Only over a socket.
   */
  | { readonly kind: 'down'; readonly ms?: number }

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
   * Adds a rule. Of the rules that fit an exchange, every `delay` acts and the first other one acts.
   * @throws MockServerError `ERR_MOCK_FAULT` for a rule that makes no sense, `ERR_MOCK_FAULT_MODE` for `down` while
   * nothing listens.
   */
  add(rule: FaultRule): FaultHandle
  clear(): void
}

/** What strikes one exchange. */
export interface Strike {
  readonly delayMs: number
  readonly fault: Exclude<Fault, { readonly kind: 'delay' }> | undefined
  /** Settles when the rule of a `hang` is removed. */
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

function checkRule({ fault, times = 1, skip = 0 }: FaultRule): void {
  if (!(times > 0) || !(skip >= 0)) refuse('`times` must be above 0 and `skip` not below.')
  if (
    fault.kind === 'status' &&
    !(Number.isInteger(fault.status) && fault.status >= 200 && fault.status <= 599)
  ) {
    refuse('`status` must be 200 to 599.')
  }
  const ms = fault.kind === 'delay' || fault.kind === 'down' ? (fault.ms ?? 0) : 0
  if (!(ms >= 0 && Number.isFinite(ms))) refuse('`ms` must be a number of milliseconds.')
}

export function createFaults(isListening: () => boolean): FaultBoard {
  const rules = new Set<ActiveRule>()
  const drop = (active: ActiveRule): void => {
    rules.delete(active)
    active.release()
  }
  return {
    add: (rule) => {
      checkRule(rule)
      if (rule.fault.kind === 'down' && !isListening()) {
        throw new MockServerError(
          'ERR_MOCK_FAULT_MODE',
          'A port cannot go down while nothing listens.',
          'Call `listen()` first; without a socket use `cut-before`.',
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
      let delayMs = 0
      let struck: ActiveRule | undefined
      for (const active of rules) {
        const { fault } = active.rule
        if (active.left <= 0 || !fits(active.rule, method, url)) continue
        if (fault.kind !== 'delay' && struck !== undefined) continue
        if (active.skip > 0) {
          active.skip -= 1
          continue
        }
        active.left -= 1
        active.hits += 1
        if (fault.kind === 'delay') delayMs += fault.ms
        else struck = active
      }
      const fault = struck?.rule.fault
      return {
        delayMs,
        fault: fault?.kind === 'delay' ? undefined : fault,
        removed: struck?.removed ?? Promise.resolve(),
      }
    },
  }
}

function fits({ method, url }: FaultRule, actualMethod: string, actualUrl: string): boolean {
  if (method !== undefined && method.toUpperCase() !== actualMethod) return false
  if (url === undefined) return true
  if (typeof url === 'string') return actualUrl.includes(url)
  // `g` and `y` would make the answer depend on the last one.
  return new RegExp(url.source, url.flags.replaceAll(/[gy]/g, '')).test(actualUrl)
}
