import type { AuthorizationServer, ClientAuth } from 'oauth4webapi'
import type { ConnectionOptions } from '../types.js'
import { exchange } from './exchange.js'
import type { JsonRecord } from './json.js'
import { parseAnswer, tokenFailure, type EndpointName } from './token-failure.js'
import { displayUrl, parseUrlOption } from './url.js'

export interface FormRequest {
  readonly kind: Exclude<EndpointName, 'token'>
  readonly endpoint: string
  readonly fields: Readonly<Record<string, string>>
  readonly clientId: string
  readonly auth: ClientAuth
  readonly connection: ConnectionOptions
  readonly signal: AbortSignal | undefined
}

/** What the endpoint answered with a 2xx, and the JSON object in it, if any. */
export interface FormAnswer {
  readonly status: number
  readonly where: string
  readonly body: JsonRecord | undefined
}

/** An authenticated POST to an endpoint that is not the token endpoint. */
export async function formRequest(request: FormRequest): Promise<FormAnswer> {
  const { kind, fields, connection, signal } = request
  const url = parseUrlOption(request.endpoint, `${kind}Endpoint`)
  const body = new URLSearchParams(fields)
  const headers = new Headers({
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
  })
  const as: AuthorizationServer = { issuer: url.origin }
  await request.auth(as, { client_id: request.clientId }, body, headers)
  const sent = {
    method: 'POST' as const,
    headers: Object.fromEntries(headers),
    body: body.toString(),
    maxBytes: 262_144,
    signal,
  }
  const answer = await exchange(url, sent, connection, 30_000)
  const where = `POST ${displayUrl(url)}`
  if (answer.status < 200 || answer.status > 299) {
    throw tokenFailure(answer, {
      endpoint: kind,
      where,
      profile: 'smart',
      secrets: [...body.values(), headers.get('authorization')?.replace(/^\S+ /, '') ?? ''],
      now: (connection.now ?? Date.now)(),
    })
  }
  return { status: answer.status, where, body: parseAnswer(answer, 'smart') }
}
