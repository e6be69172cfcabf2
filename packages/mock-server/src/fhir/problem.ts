import { hasControlCharacter } from '../json.js'
import type { Resource } from './model.js'

export interface Issue {
  readonly code: string
  readonly diagnostics: string
  readonly expression?: string | undefined
}

/**
 * A refusal on its way to becoming an OperationOutcome. `expression` is either a path that starts with the resource
 * type (`Patient.name[0]`) or, for what a bundle entry says in its `request`, a path that starts with `request`.
 */
export class FhirProblem extends Error {
  override readonly name = 'FhirProblem' as const
  readonly status: number
  readonly issues: readonly Issue[]
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: string,
    diagnostics: string,
    more: {
      readonly expression?: string | undefined
      readonly headers?: Readonly<Record<string, string>>
      readonly further?: readonly Issue[]
    } = {},
  ) {
    // Control characters have no place in FHIR strings, and one of them marks numbers on their way out.
    const text = hasControlCharacter(diagnostics) ? diagnostics.replaceAll(/\p{Cc}/gu, '?') : diagnostics
    super(text)
    this.status = status
    this.issues = [{ code, diagnostics: text, expression: more.expression }, ...(more.further ?? [])]
    this.headers = more.headers ?? {}
  }
}

/** Where issues say what they have to say. */
export type IssueText = 'diagnostics' | 'details'

export function operationOutcome(
  severity: 'error' | 'information',
  code: string,
  diagnostics: string,
  expression?: string,
): Resource {
  const issue = {
    severity,
    code,
    diagnostics,
    ...(expression === undefined ? {} : { expression: [expression] }),
  }
  return { resourceType: 'OperationOutcome', issue: [issue] }
}

export function outcomeOfProblem(problem: FhirProblem, text: IssueText = 'diagnostics'): Resource {
  const issue = problem.issues.map(({ code, diagnostics, expression }) => ({
    severity: 'error',
    code,
    ...(text === 'details' ? { details: { text: diagnostics } } : { diagnostics }),
    // A path into `request` means nothing outside a bundle.
    ...(expression === undefined || expression.startsWith('request') ? {} : { expression: [expression] }),
  }))
  return { resourceType: 'OperationOutcome', issue }
}

/** The same refusal, seen from the bundle that holds the entry. */
export function problemInEntry(problem: FhirProblem, index: number): FhirProblem {
  const [first, ...further] = problem.issues.map((issue) => ({
    ...issue,
    expression: entryPath(issue.expression, index),
  }))
  return new FhirProblem(problem.status, first?.code ?? 'processing', problem.message, {
    expression: first?.expression,
    further,
  })
}

function entryPath(expression: string | undefined, index: number): string {
  const entry = `Bundle.entry[${index}]`
  if (expression === undefined) return entry
  if (expression.startsWith('Bundle.entry[')) return expression
  if (expression.startsWith('request')) return `${entry}.${expression}`
  return `${entry}.resource${expression.replace(/^[A-Za-z]+/, '')}`
}
