export type JsonRecord = Readonly<Record<string, unknown>>

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Parses text that should be one JSON object; anything else is undefined. */
export function parseJsonObject(text: string): JsonRecord | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * The same for the published C3-PRO server, which writes a comma before the closing brace. The strict reading
 * is tried first, so a comma inside a string is never touched in valid JSON.
 */
export function parseLenientJsonObject(text: string): JsonRecord | undefined {
  return parseJsonObject(text) ?? parseJsonObject(text.replace(/,\s*\}\s*$/, '}'))
}

export function stringMember(record: JsonRecord, name: string): string | undefined {
  const value = record[name]
  return typeof value === 'string' ? value : undefined
}

export function stringListMember(record: JsonRecord, name: string): readonly string[] | undefined {
  const value = record[name]
  if (!Array.isArray(value)) return undefined
  return value.filter((item): item is string => typeof item === 'string')
}
