import type { Failure, GateClosure, Outcome, ReceiptBody } from '@fhir-outbox/queue-core'
import { isObject } from './json.js'

/**
 * What one failed request means for its entry and its destination, following the table in the package's
 * README. The rule behind it: only what is certainly not applied may be sent again as if nothing happened;
 * what the destination is to blame for costs the entry nothing.
 */
export type Verdict =
  | { readonly kind: 'rejected'; readonly failure: Failure }
  /** Certainly not applied, and the entry's own trouble: tried again, a few times. */
  | {
      readonly kind: 'not-applied'
      readonly failure: Failure
      readonly tries: number
      readonly overMs: number
    }
  /** Certainly not applied and nobody's fault: tried again, nothing is spent. */
  | { readonly kind: 'again'; readonly failure: Failure }
  /** Certainly not applied, and the destination's trouble: the gate closes, nothing is spent. */
  | { readonly kind: 'closed'; readonly closure: GateClosure }
  /** May have been applied. `closure` when the destination is down as a whole. */
  | { readonly kind: 'unknown'; readonly failure: Failure; readonly closure?: GateClosure }
  /** Applied: the status said so, only the answer's body got lost. */
  | { readonly kind: 'applied'; readonly receipt: ReceiptBody }

const tenMinutes = 10 * 60_000

/** Issue codes by which a server says that it understood the resource and does not want it. */
const contentIssues = new Set([
  'invariant',
  'structure',
  'required',
  'value',
  'business-rule',
  'code-invalid',
  'extension',
  'not-supported',
  'too-long',
  'too-costly',
  'multiple-matches',
  'duplicate',
  'conflict',
])

/** Reads an error of the FHIR client or the token source by its members, never by its class. */
export function classify(error: unknown): Verdict {
  const failure = failureOf(error)
  const details = isObject(error) ? error : {}
  const retryAfterMs = typeof details['retryAfterMs'] === 'number' ? details['retryAfterMs'] : undefined
  const closed = (needsPerson: boolean): Verdict => ({
    kind: 'closed',
    closure: { failure, needsPerson, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  })
  switch (failure.code) {
    case 'ERR_AUTH_UNREACHABLE':
    case 'ERR_TOKEN_SOURCE':
      return closed(false)
    case 'ERR_LOGIN_REQUIRED':
    case 'ERR_UNAUTHORIZED':
    case 'ERR_INSECURE_URL':
    case 'ERR_INVALID_URL':
    case 'ERR_REDIRECTED':
      return closed(true)
    case 'ERR_INVALID_REQUEST':
    case 'ERR_ENTRY_FORMAT':
      return { kind: 'rejected', failure }
    case 'ERR_TRUNCATED':
    case 'ERR_RESPONSE_TOO_LARGE':
      return isObject(details['location'])
        ? { kind: 'applied', receipt: addressReceipt(failure.status, details['location']) }
        : { kind: 'unknown', failure }
    case 'ERR_NOT_FHIR':
      return { kind: 'unknown', failure, closure: { failure, needsPerson: true } }
    case 'ERR_HTTP':
      return classifyStatus(failure, retryAfterMs, closed)
    default:
      if (details['sent'] === 'no') return closed(failure.code === 'ERR_TLS')
      // A token source or the settings failed with a code of their own: no request was made.
      if (
        details['sent'] === undefined &&
        failure.code.startsWith('ERR_') &&
        failure.code !== 'ERR_UNEXPECTED'
      )
        return closed(true)
      return { kind: 'unknown', failure }
  }
}

function classifyStatus(
  failure: Failure,
  retryAfterMs: number | undefined,
  closed: (needsPerson: boolean) => Verdict,
): Verdict {
  switch (failure.status) {
    case 429:
      return closed(false)
    case 425:
      return { kind: 'again', failure }
    case 503:
      // Without Retry-After a gateway may say 503 after the origin has done the work.
      return retryAfterMs === undefined ? { kind: 'unknown', failure, closure: { failure } } : closed(false)
    // 406 and 415 come here when the other content type was refused as well.
    case 406:
    case 415:
    case 507:
    case 401:
      return closed(true)
    case 408:
    case 500:
    case 502:
    case 504:
      return { kind: 'unknown', failure }
    case 409:
      return { kind: 'not-applied', failure, tries: 5, overMs: 0 }
    case 400:
      // A database outage can answer 400 as well: unless the server names the content, ask again.
      return namesContent(failure)
        ? { kind: 'rejected', failure }
        : { kind: 'not-applied', failure, tries: 3, overMs: tenMinutes }
    default:
      return { kind: 'rejected', failure }
  }
}

/** Whether the server says that it understood the content and does not want it. */
export function namesContent({ issues = [] }: Failure): boolean {
  return issues.some(({ code }) => contentIssues.has(code))
}

/** What the headers of a success tell when its body is lost. */
function addressReceipt(status: number | undefined, location: Record<string, unknown>): ReceiptBody {
  return {
    ...(status === undefined ? {} : { status }),
    id: `${String(location['type'])}/${String(location['id'])}`,
    ...(typeof location['version'] === 'string' ? { version: location['version'] } : {}),
  }
}

/** Plain JSON about an error: code, one sentence, status and what the server said. */
export function failureOf(error: unknown): Failure {
  const details: Record<string, unknown> = isObject(error) ? error : {}
  const issues = Array.isArray(details['issues']) ? details['issues'].filter(isObject) : []
  return {
    code: typeof details['code'] === 'string' ? details['code'] : 'ERR_UNEXPECTED',
    message: error instanceof Error ? error.message : 'The request failed.',
    ...(typeof details['status'] === 'number' ? { status: details['status'] } : {}),
    ...(issues.length === 0
      ? {}
      : {
          issues: issues.slice(0, 10).map((issue) => ({
            code: typeof issue['code'] === 'string' ? issue['code'] : 'unknown',
            ...(typeof issue['text'] === 'string' ? { text: issue['text'].slice(0, 300) } : {}),
            ...(typeof issue['path'] === 'string' ? { path: issue['path'].slice(0, 200) } : {}),
          })),
        }),
  }
}

/** Whether the request may have left without an answer. */
export function isMaybe(error: unknown): boolean {
  return isObject(error) && error['sent'] === 'maybe'
}

/** Turns a verdict into the entry's outcome. */
export function outcomeOf(
  verdict: Exclude<Verdict, { kind: 'applied' }>,
  entry: { readonly sequence: number; readonly attempts: number; readonly troubledForMs?: number },
  wasUnknown: boolean,
  /** It travelled with others, any of which may be to blame: then it is never taken for the culprit. */
  inCompany = false,
): Outcome {
  const { sequence } = entry
  switch (verdict.kind) {
    case 'rejected':
      return { sequence, kind: 'rejected', failure: verdict.failure }
    case 'again':
      return { sequence, kind: wasUnknown ? 'unknown' : 'not-sent', failure: verdict.failure }
    case 'closed':
      // What was unknown before this request stays unknown: not having sent it again says nothing.
      return {
        sequence,
        kind: wasUnknown ? 'unknown' : 'not-sent',
        failure: verdict.closure.failure,
        closesGate: verdict.closure,
      }
    case 'not-applied': {
      const { failure, tries, overMs } = verdict
      const exhausted = entry.attempts + 1 >= tries && (entry.troubledForMs ?? 0) >= overMs
      if (exhausted) return { sequence, kind: 'rejected', failure }
      return { sequence, kind: wasUnknown ? 'unknown' : 'not-sent', failure, spent: true }
    }
    case 'unknown': {
      const { failure, closure } = verdict
      if (closure !== undefined) return { sequence, kind: 'unknown', failure, closesGate: closure }
      const troubledForMs = entry.troubledForMs ?? 0
      const serverFailsOnIt =
        !inCompany && failure.status !== undefined && entry.attempts + 1 >= 5 && troubledForMs >= tenMinutes
      // When nobody answers, the outbox knows how much of that time there was anything to try: it gives up.
      return serverFailsOnIt
        ? { sequence, kind: 'parked', failure }
        : { sequence, kind: 'unknown', failure, spent: true }
    }
  }
}
