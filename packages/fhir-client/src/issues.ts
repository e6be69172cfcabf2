import type { FhirIssue } from './errors.js'
import { isRecord } from './resources.js'

const maxIssues = 50
const maxText = 1000

/** What an error body says, and the raw `diagnostics` that may hide a waiting time. */
export interface Complaints {
  readonly issues: readonly FhirIssue[]
  readonly diagnostics: readonly string[]
}

/**
 * Normalises the dialects of error bodies: OperationOutcome, OAuth JSON, `{msg}`, `{message}`, plain text. HTML
 * says nothing that a program or an integrator could use, and data in pieces or lists is nobody's words.
 */
export function readComplaints(text: string, contentType: string | undefined): Complaints {
  const value = parseJson(text)
  if (isRecord(value)) {
    // Where a waiting time may hide: in the words of an outcome, anywhere in other JSON.
    return value['resourceType'] === 'OperationOutcome'
      ? fromOutcome(value)
      : { issues: fromJson(value), diagnostics: [text] }
  }
  const trimmed = text.trim()
  const markup = trimmed.startsWith('<') || /html|xml/i.test(contentType ?? '')
  // Lists, and torn JSON: they look like it. C3-PRO's `{'error':'…'}` is no JSON either, and its words are wanted.
  const data = /^[[{]\s*["{[]/.test(trimmed)
  return trimmed === '' || markup || data ? plain([]) : plain([{ code: 'unknown', text: cut(trimmed) }])
}

/** The issues of something that should be an OperationOutcome. */
export function issuesOf(outcome: unknown): readonly FhirIssue[] {
  return isRecord(outcome) && outcome['resourceType'] === 'OperationOutcome'
    ? fromOutcome(outcome).issues
    : []
}

function plain(issues: readonly FhirIssue[]): Complaints {
  return { issues, diagnostics: [] }
}

function fromOutcome(outcome: Readonly<Record<string, unknown>>): Complaints {
  // Blaze answers `Prefer: return=OperationOutcome` with an outcome that has no issue at all.
  const listed: readonly unknown[] = Array.isArray(outcome['issue']) ? outcome['issue'] : []
  const raw = listed.slice(0, maxIssues).filter(isRecord)
  return {
    issues: raw.map(toIssue),
    diagnostics: raw.flatMap((issue) => someText(issue['diagnostics']) ?? []),
  }
}

function toIssue(issue: Readonly<Record<string, unknown>>): FhirIssue {
  const details = isRecord(issue['details']) ? issue['details'] : {}
  const coding = first(details['coding'])
  const text =
    someText(details['text']) ??
    someText(issue['diagnostics']) ??
    (isRecord(coding) ? (someText(coding['display']) ?? someText(coding['code'])) : undefined)
  const severity = someText(issue['severity'])
  const path = someText(first(issue['expression'])) ?? someText(first(issue['location']))
  return {
    ...(severity === undefined ? {} : { severity }),
    code: someText(issue['code']) ?? 'unknown',
    ...(text === undefined ? {} : { text: cut(text) }),
    ...(path === undefined ? {} : { path: cut(path) }),
  }
}

function fromJson(body: Readonly<Record<string, unknown>>): readonly FhirIssue[] {
  const error = body['error']
  const description = someText(body['error_description'])
  if (typeof error === 'string' && error !== '') {
    // OAuth error codes are single words; anything else in `error` is a sentence.
    const isCode = /^[A-Za-z0-9_.-]{1,64}$/.test(error)
    const text = description ?? (isCode ? undefined : error)
    return [{ code: isCode ? error : 'unknown', ...(text === undefined ? {} : { text: cut(text) }) }]
  }
  const nested = isRecord(error) ? someText(error['message']) : undefined
  const text = nested ?? someText(body['msg']) ?? someText(body['message']) ?? description
  return text === undefined ? [] : [{ code: 'unknown', text: cut(text) }]
}

function first(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : undefined
}

function someText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function cut(text: string): string {
  return text.length > maxText ? text.slice(0, maxText) : text
}

/** `undefined` for what is not JSON. The parser's own message is dropped: it quotes the body. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
