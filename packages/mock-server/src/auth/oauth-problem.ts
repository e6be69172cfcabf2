import { jsonReply } from '../server/call.js'

/** A refusal in OAuth's own JSON form (RFC 6749 section 5.2, RFC 7591 section 3.2.2). */
export class OauthProblem extends Error {
  override readonly name = 'OauthProblem' as const
  readonly status: number
  readonly error: string
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    error: string,
    description: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(description)
    this.status = status
    this.error = error
    this.headers = headers
  }
}

export function oauthProblemReply(problem: OauthProblem): Response {
  const body = { error: problem.error, error_description: problem.message }
  return jsonReply(problem.status, body, problem.headers)
}
