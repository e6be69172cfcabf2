import type { Sender, SendRequest } from '../../src/index.js'

export type Reply = Response | Error | ((request: SendRequest) => Response | Promise<Response>)

export interface ScriptedSender extends Sender {
  readonly sent: readonly SendRequest[]
}

/** A sender that answers from a list, in order, and remembers what it was given. */
export function scriptedSender(...replies: readonly Reply[]): ScriptedSender {
  const sent: SendRequest[] = []
  return {
    sent,
    send: async (request) => {
      const reply = replies[sent.length]
      sent.push(request)
      if (reply === undefined) throw new Error('The script is at its end.')
      if (reply instanceof Error) throw reply
      return typeof reply === 'function' ? reply(request) : reply
    },
  }
}

export function fhir(status: number, body?: unknown, headers: Record<string, string> = {}): Response {
  const text = body === undefined ? null : JSON.stringify(body)
  return new Response(text, { status, headers: { 'content-type': 'application/fhir+json', ...headers } })
}

export function outcome(code: string, text?: string, more: Record<string, unknown> = {}): unknown {
  return {
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'error', code, ...(text === undefined ? {} : { details: { text } }), ...more }],
  }
}
