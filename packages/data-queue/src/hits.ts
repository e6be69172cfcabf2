import { failureOf } from './classify.js'
import type { Destination, Item } from './destination.js'
import type { KeyPlace } from './key.js'
import { askForKeys, type Hit } from './probe.js'

/** Where resources are that carry a key of ours, as far as the server says; the keys of one type are asked for at once. */
export async function hitsOf(
  { endpoint }: Destination,
  items: readonly Item[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Hit>> {
  const hits = new Map<string, Hit>()
  const groups = new Map<string, { type: string; place: KeyPlace; keys: string[] }>()
  for (const { header, entry } of items) {
    const { place, resourceType: type = '' } = header
    if (place === undefined) continue
    const name = `${type} ${place}`
    const group = groups.get(name) ?? { type, place, keys: [] }
    group.keys.push(entry.key)
    groups.set(name, group)
  }
  for (const group of groups.values()) {
    const asked = await askForKeys(endpoint.client, group, signal)
    if (asked.kind === 'answered') for (const [key, hit] of asked.hits) hits.set(key, hit)
    // Nobody answers: the next question would only wait as long.
    if (asked.kind === 'failed' && failureOf(asked.error).status === undefined) break
  }
  return hits
}
