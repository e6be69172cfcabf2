import { isLive, type Resource } from './model.js'
import { FhirProblem } from './problem.js'
import { rewriteLinks } from './references.js'
import type { WriteContext } from './writes.js'

function referencesOf(resource: Resource): readonly string[] {
  const found: string[] = []
  rewriteLinks(resource, {
    link: (value) => value,
    reference: (value) => {
      found.push(value)
      return value
    },
  })
  return found
}

/** Refuses with 409 what points to nothing, and deletions of what is pointed at, where the profile looks at it. */
export function checkIntegrity({ draft, profile }: WriteContext): void {
  if (!profile.integrity) return
  const deleted = new Set<string>()
  for (const { type, id, resource } of draft.written) {
    if (resource === undefined) {
      deleted.add(`${type}/${id}`)
      continue
    }
    for (const reference of referencesOf(resource)) {
      const [, target, targetId] = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]+)$/.exec(reference) ?? []
      const conditional = /^[A-Z][A-Za-z]+\?/.test(reference)
      const exists = target !== undefined && targetId !== undefined && isLive(draft.current(target, targetId))
      if (conditional || (target !== undefined && !exists)) {
        throw new FhirProblem(
          409,
          'conflict',
          `Referential integrity violated. Resource \`${reference}\` doesn't exist.`,
        )
      }
    }
  }
  if (deleted.size > 0) checkDeletions(draft, deleted)
}

function checkDeletions(draft: WriteContext['draft'], deleted: ReadonlySet<string>): void {
  for (const type of draft.types()) {
    for (const { id, resource } of draft.candidates(type)) {
      const kept = referencesOf(resource).find((reference) => deleted.has(reference))
      if (kept === undefined) continue
      throw new FhirProblem(
        409,
        'conflict',
        `Referential integrity violated. Resource \`${kept}\` should be deleted but is referenced from \`${type}/${id}\`.`,
      )
    }
  }
}
