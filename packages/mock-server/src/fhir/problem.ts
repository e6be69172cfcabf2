import type { Resource } from './model.js'

/**
 * A refusal on its way to becoming an OperationOutcome. `expression` is either a path that starts with the resource
 * type (`Patient.name[0]`) or, for what a bundle entry says in its `request`, a path that starts with `request`.
 */
export class FhirProblem extends Error {
  override readonly name = 'FhirProblem' as const
  readonly status: number
  readonly issueCode: string
  readonly expression: string | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    issueCode: string,
    diagnostics: string,
    more: {
      readonly expression?: string | undefined
      readonly headers?: Readonly<Record<string, string>>
    } = {},
  ) {
    super(diagnostics)
    this.status = status
    this.issueCode = issueCode
    this.expression = more.expression
    this.headers = more.headers ?? {}
  }
}

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

export function outcomeOfProblem(problem: FhirProblem): Resource {
  // A path into `request` means nothing outside a bundle.
  const expression = problem.expression?.startsWith('request') === true ? undefined : problem.expression
  return operationOutcome('error', problem.issueCode, problem.message, expression)
}

/** The same refusal, seen from the bundle that holds the entry. */
export function problemInEntry(problem: FhirProblem, index: number): FhirProblem {
  const { expression } = problem
  const entry = `Bundle.entry[${index}]`
  let path = entry
  if (expression?.startsWith('Bundle.entry[') === true) path = expression
  else if (expression?.startsWith('request') === true) path = `${entry}.${expression}`
  else if (expression !== undefined) path = `${entry}.resource${expression.replace(/^[A-Za-z]+/, '')}`
  return new FhirProblem(problem.status, problem.issueCode, problem.message, { expression: path })
}
