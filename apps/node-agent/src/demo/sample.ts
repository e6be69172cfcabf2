import type { Sample } from './stage.js'

const width = 78

/** The sample for a terminal of 80 columns: the members that say most, hashes cut. */
export function sampleText({ resource, receipt }: Sample): string {
  const { resourceType, id, status, effectiveDateTime, valueQuantity } = resource as Record<string, unknown>
  const { value, unit } = (valueQuantity ?? {}) as Record<string, unknown>
  return [
    `One delivered resource:  ${String(resourceType)}/${String(id)}`,
    ...wrapped(JSON.stringify({ status, effectiveDateTime, valueQuantity: { value, unit } })),
    'and its receipt:',
    ...wrapped(
      JSON.stringify({ ...(receipt as object), ids: undefined }).replaceAll(
        /([0-9a-f]{12})[0-9a-f]{52}/g,
        '$1…',
      ),
    ),
  ].join('\n')
}

/** JSON text in indented lines that break after a comma. */
function wrapped(json: string): readonly string[] {
  const lines = ['  ']
  for (const part of json.split(/(?<=,)(?=")/)) {
    const line = lines.at(-1) ?? ''
    if (line.trim() === '' || line.length + part.length <= width) lines[lines.length - 1] = line + part
    else lines.push(`   ${part}`)
  }
  return lines
}
