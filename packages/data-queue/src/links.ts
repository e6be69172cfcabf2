import { parseNote, type Entry, type EntryDraft, type Outbox } from '@fhir-outbox/queue-core'
import { DataQueueError } from './errors.js'
import type { EntryHeader } from './header.js'
import { isObject, type JsonObject } from './json.js'
import { localKeys, localReference, referenceOffsets, replaceLocal } from './references.js'
import type { Sequences } from './sequences.js'

/**
 * Finds what a resource refers to by local references: what is delivered is put in at once (the resource is changed),
 * the rest is waited for. @throws DataQueueError `ERR_UNRESOLVED_REFERENCE`
 */
export async function linksOf(
  resource: JsonObject,
  outbox: Pick<Outbox, 'read'>,
  sequences: Sequences,
): Promise<ReadonlyMap<string, number>> {
  const inside = fullUrlsOf(resource)
  const pending = new Map<string, number>()
  const known = new Map<string, string>()
  for (const [key, member] of localKeys(resource)) {
    if (inside.has(localReference(key))) continue
    const sequence = await (member === 'url' ? sequences.findRecent(key) : sequences.find(key))
    const entry = sequence === undefined ? undefined : await outbox.read(sequence)
    if (sequence === undefined || entry === undefined) {
      if (member === 'url') continue
      throw unresolvedReference(
        'It refers to an entry that this queue does not have.',
        'Queue the resource it refers to first.',
      )
    }
    if (entry.state === 'discarded' || entry.state === 'quarantined') {
      throw unresolvedReference(
        'It refers to an entry that will not be delivered.',
        'Queue the resource it refers to anew, and refer to that.',
      )
    }
    const note = parseNote(entry.note)
    if (entry.state !== 'delivered') pending.set(key, sequence)
    else if (note?.kind === 'receipt' && note.receipt.id !== undefined) known.set(key, note.receipt.id)
    else
      throw unresolvedReference(
        'It refers to an entry whose id at the server is not known.',
        'Refer to it by its id.',
      )
  }
  replaceLocal(resource, known)
  return pending
}

/** References inside a transaction to its own entries are the server's business. */
function fullUrlsOf(resource: JsonObject): ReadonlySet<string> {
  const entries =
    resource['resourceType'] === 'Bundle' && Array.isArray(resource['entry']) ? resource['entry'] : []
  return new Set(
    entries.flatMap((entry: unknown) =>
      isObject(entry) && typeof entry['fullUrl'] === 'string' ? [entry['fullUrl']] : [],
    ),
  )
}

/** The header with the places of what has to be put in later, and whom to wait for. */
export function linkedHeader(
  header: EntryHeader,
  payload: Uint8Array,
  links: ReadonlyMap<string, number>,
): { readonly header: EntryHeader; readonly after: readonly number[] } {
  const after = [...links.values(), ...(header.of === undefined ? [] : [header.of])]
  if (links.size === 0) return { header, after }
  const refs = [...links].flatMap(([key, sequence]) =>
    referenceOffsets(payload, key).map((offset): readonly [number, number] => [offset, sequence]),
  )
  return { header: { ...header, refs }, after }
}

/** Whether a correction would have to wait for entries that the one it corrects does not wait for. */
export function waitsForMore(entry: Pick<Entry, 'after'>, { after = [] }: EntryDraft): boolean {
  return after.some((sequence) => !entry.after.includes(sequence))
}

export function unresolvedReference(message: string, hint: string): DataQueueError {
  return new DataQueueError('ERR_UNRESOLVED_REFERENCE', message, { hint })
}
