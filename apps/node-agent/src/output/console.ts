import type { Writable } from 'node:stream'

/** Where a command writes. Results go to `out`; words for a person go to `err` so that pipes stay clean. */
export interface Console {
  readonly out: Writable
  readonly err: Writable & { readonly isTTY?: boolean }
  /** JSON lines instead of sentences. */
  readonly json: boolean
}

/** One result: a sentence for a person, or a JSON line for a program. */
export function report(
  console: Console,
  event: string,
  facts: Readonly<Record<string, unknown>>,
  sentence: string,
): void {
  console.out.write(console.json ? `${JSON.stringify({ event, ...facts })}\n` : `${sentence}\n`)
}

/** A remark that is no result. Silent in JSON mode. */
export function remark(console: Console, sentence: string): void {
  if (!console.json) console.err.write(`${sentence}\n`)
}

/** One clear sentence and the way out. Never a stack, never content. `facts` are for programs: what it is about. */
export function reportError(
  console: Console,
  error: unknown,
  facts: Readonly<Record<string, unknown>> = {},
): void {
  const { code, message, hint } = describeError(error)
  if (console.json)
    console.out.write(`${JSON.stringify({ event: 'error', ...facts, code, message, hint })}\n`)
  else console.err.write(`fhir-outbox: ${ended(message)}${hint === '' ? '' : `\n  ${hint}`}\n`)
}

function ended(sentence: string): string {
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`
}

export function describeError(error: unknown): {
  readonly code: string
  readonly message: string
  readonly hint: string
} {
  if (!(error instanceof Error)) return { code: 'ERR_UNEXPECTED', message: String(error), hint: '' }
  const { code, hint } = error as { code?: unknown; hint?: unknown }
  return {
    code: typeof code === 'string' ? code : 'ERR_UNEXPECTED',
    message: error.message,
    hint: typeof hint === 'string' ? hint : '',
  }
}
