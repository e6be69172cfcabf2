import { isObject } from '../json.js'
import type { Resource } from './model.js'

/**
 * Members of R4 types whose value is a uri, url, uuid or oid (canonicals are left alone, as the transaction rules say).
 * `Identifier.value` and its like are plain strings and never rewritten: a delivery key may well equal a fullUrl.
 */
const linkMembers = new Set(
  (
    'address contentUri derivedFromUri endpoint implicitRules instantiatesUri policy policyUri source sourceUri ' +
    'system uri url valueOid valueUri valueUrl valueUuid'
  ).split(' '),
)

export interface LinkVisitor {
  /** The new text of a `Reference.reference`. */
  reference(value: string): string
  /** The new text of any other link. */
  link(value: string): string
}

/** A copy of the resource in which every place that can hold a link went through `visitor`. */
export function rewriteLinks(resource: Resource, visitor: LinkVisitor): Resource {
  const visit = (value: unknown, member: string): unknown => {
    if (typeof value === 'string') {
      if (member === 'reference') return visitor.reference(value)
      if (member === 'div') return rewriteNarrative(value, visitor)
      return linkMembers.has(member) ? visitor.link(value) : value
    }
    if (Array.isArray(value)) return value.map((item) => visit(item, member))
    if (!isObject(value)) return value
    // Object.fromEntries defines members, so that a member named __proto__ stays data.
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, visit(item, name)]))
  }
  return visit(resource, '') as Resource
}

function rewriteNarrative(div: string, visitor: LinkVisitor): string {
  return div.replaceAll(
    /(\s(?:href|src)\s*=\s*)(["'])(.*?)\2/g,
    (_all, name: string, quote: string, target: string) => `${name}${quote}${visitor.link(target)}${quote}`,
  )
}
