import { asArray, isObject } from '../json.js'
import type { LiveVersion, Resource } from './model.js'
import { isLive } from './model.js'
import { FhirProblem } from './problem.js'
import { rulesOf } from './elements.js'
import { referenceKey, type RepositoryView } from './repository.js'

/** `_include=Type:parameter[:target]`. */
export interface Include {
  readonly type: string
  readonly members: readonly string[]
  readonly target: string | undefined
}

/** Search parameters that can be included, and the members that hold their references. */
export const includable: Readonly<Record<string, readonly string[]>> = {
  patient: ['patient', 'subject'],
  subject: ['subject'],
  device: ['device'],
}

export function parseInclude(value: string): Include {
  const [type = '', parameter = '', target, ...rest] = value.split(':')
  const members = Object.hasOwn(includable, parameter) ? includable[parameter] : undefined
  if (members === undefined || rest.length > 0) {
    throw new FhirProblem(400, 'not-supported', '`_include` takes Type:patient, Type:subject or Type:device.')
  }
  return { type, members, target: target ?? (parameter === 'patient' ? 'Patient' : undefined) }
}

/** What the matches point at, each once, without the matches themselves. */
export function includedIn(
  matches: readonly LiveVersion[],
  includes: readonly Include[],
  view: RepositoryView,
): readonly LiveVersion[] {
  const seen = new Set(matches.map(({ type, id }) => `${type}/${id}`))
  const found: LiveVersion[] = []
  for (const { type, resource } of matches) {
    for (const include of includes.filter((one) => one.type === type)) {
      for (const item of include.members.flatMap((member) => asArray(resource[member]))) {
        const key = isObject(item) ? referenceKey(item['reference']) : undefined
        if (key === undefined || seen.has(key)) continue
        const [targetType = '', id = ''] = key.split('/')
        if (include.target !== undefined && include.target !== targetType) continue
        const version = view.current(targetType, id)
        if (!isLive(version)) continue
        seen.add(key)
        found.push(version)
      }
    }
  }
  return found
}

/** `_elements`: the named members and what a resource cannot do without, marked as a part. */
export function elementsOf(resource: Resource, elements: readonly string[]): Resource {
  const rules = rulesOf(resource.resourceType)
  const kept = Object.entries(resource).filter(
    ([name]) =>
      name === 'resourceType' ||
      name === 'id' ||
      elements.includes(name) ||
      elements.some((element) => name.startsWith(element) && /^[A-Z]/.test(name.slice(element.length))) ||
      rules?.get(name)?.required === true,
  )
  const meta = isObject(resource['meta']) ? resource['meta'] : {}
  const subsetted = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }
  return {
    ...(Object.fromEntries(kept) as unknown as Resource),
    meta: { ...meta, tag: [...asArray(meta['tag']), subsetted] },
  }
}
