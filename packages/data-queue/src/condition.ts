import { isObject, type JsonObject } from './json.js'

/**
 * Whether a resource is found by a condition, as far as that can be seen here: identifiers and tags can, anything
 * else cannot and counts as not met. Only a resource that meets its own `ifNoneExist` is created once when the
 * request is repeated.
 */
export function meetsCondition(resource: JsonObject, condition: string): boolean {
  const parameters = [...new URLSearchParams(condition.replace(/^\?/, ''))]
  return parameters.length > 0 && parameters.every(([name, value]) => meets(resource, name, value))
}

function meets(resource: JsonObject, name: string, value: string): boolean {
  // A comma separates alternatives, one of which is enough; `\\,` is a comma inside a value.
  const wanted = value.split(/(?<!\\),/).map(tokenOf)
  switch (name) {
    case 'identifier':
      return tokens(resource['identifier'], 'value').some((token) =>
        wanted.some((one) => matches(one, token)),
      )
    case '_tag': {
      const meta = resource['meta']
      const tags = isObject(meta) ? tokens(meta['tag'], 'code') : []
      return tags.some((token) => wanted.some((one) => matches(one, token)))
    }
    default:
      return false
  }
}

interface Token {
  /** Absent when any system will do. */
  readonly system?: string
  readonly value: string
}

function tokenOf(text: string): Token {
  const bar = text.search(/(?<!\\)\|/)
  const plain = (part: string): string => part.replace(/\\([\\,|$])/g, '$1')
  return bar === -1
    ? { value: plain(text) }
    : { system: plain(text.slice(0, bar)), value: plain(text.slice(bar + 1)) }
}

function tokens(values: unknown, member: 'value' | 'code'): readonly Token[] {
  return [values].flat().flatMap((one) => {
    if (!isObject(one)) return []
    return [{ system: typeof one['system'] === 'string' ? one['system'] : '', value: String(one[member]) }]
  })
}

function matches(wanted: Token, token: Token): boolean {
  return wanted.value === token.value && (wanted.system === undefined || wanted.system === token.system)
}
