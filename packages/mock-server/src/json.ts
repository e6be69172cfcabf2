/** A JSON object whose members are not known yet. */
export interface JsonObject {
  [name: string]: unknown
}

/**
 * A number whose text JavaScript would change: `120.0`, `1e3`, more digits than a double has. FHIR decimals keep the
 * precision they were written with, so it travels as text.
 */
export class NumberText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toJSON(): string {
    return `${numberMark}${this.text}`
  }
}

// A NUL is never part of a FHIR string (checked on the way in), so the mark cannot be met in data.
const numberMark = '\u0000number:'
const markedNumber = /"\\u0000number:(-?\d[\d.eE+-]*)"/g
/** Numbers that may not survive a double; a false alarm only costs time. */
const suspicious = /\d[eE][+-]?\d|\.\d*0(?!\d)|[\d.]{16}|\.0{6}|-0/
const stringOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

export function isObject(value: unknown): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof NumberText)
  )
}

/** `JSON.parse` that keeps the text of numbers; throws the same SyntaxError. */
export function parseText(text: string): unknown {
  const plain: unknown = JSON.parse(text)
  if (!suspicious.test(text)) return plain
  let mark = '#'
  while (text.includes(mark)) mark += '#'
  // The text is valid JSON by now, so that strings and numbers can be told apart by one pattern.
  const marked = text.replaceAll(stringOrNumber, (token) =>
    token.startsWith('"') || String(Number(token)) === token ? token : `{"${mark}":"${token}"}`,
  )
  return JSON.parse(marked, (_name, value: unknown) => {
    const number = isObject(value) ? value[mark] : undefined
    return typeof number === 'string' ? new NumberText(number) : value
  })
}

/** `JSON.stringify` that writes numbers as they were read. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replaceAll(markedNumber, '$1')
}

/** `undefined` when the bytes are not UTF-8 encoded JSON (JSON itself is never `undefined`). */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return parseText(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** A deep copy with ordinary numbers. */
export function plainCopy<T>(value: T): T {
  return JSON.parse(jsonText(value)) as T
}

/** Whether a text holds what no FHIR string may hold: control characters other than tab and line ends. */
export function hasControlCharacter(text: string): boolean {
  for (const [character] of text.matchAll(/\p{Cc}/gu)) {
    if (character < ' ' && !'\t\n\r'.includes(character)) return true
  }
  return false
}

export function asArray(value: unknown): readonly unknown[] {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as unknown[]) : [value]
}
