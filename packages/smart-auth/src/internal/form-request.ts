import type { AuthorizationServer, ClientAuth } from 'oauth4webapi'
import type { ConnectionOptions } from '../types.js'
import { exchange } from './exchange.js'
import type { JsonRecord } from './json.js'
import { parseAnswer, tokenFailure } from './token-failure.js'
import { displayUrl, parseUrlOption } from './url.js'

export interface FormRequest {
  readonly endpoint: string
  /** The name of the option, for messages. */
  readonly name: string
  readonly fields: Readonly<Record<string, string>>
  readonly clientId: string
  readonly auth: ClientAuth
  readonly connection: ConnectionOptions
  readonly signal: AbortSignal | undefined
}

/** An authenticated POST to an endpoint that is not the token endpoint; the JSON object it answers, if any. */
export async function formRequest(request: FormRequest): Promise<JsonRecord | undefined> {
  const { fields, connection, signal } = request
  const url = parseUrlOption(request.endpoint, request.name)
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
  const parsed = parseAnswer(answer, 'smart')
  if (answer.status < 200 || answer.status > 299) {
    throw tokenFailure(answer, {
      where: `POST ${displayUrl(url)}`,
      profile: 'smart',
      secrets: [...body.values(), headers.get('authorization')?.replace(/^\S+ /, '') ?? ''],
      now: (connection.now ?? Date.now)(),
    })
  }
  return parsed
}
