import { isObject } from './json.js'

/** Members that the server owns. */
const serverOwned = new Set(['id', 'meta', 'text'])

/**
 * Whether everything we sent is in what the server has. Servers add members of their own and write narrative anew;
 * what must not happen is that something of ours is missing or different.
 */
export function contains(theirs: unknown, ours: unknown, top = true): boolean {
  if (isObject(ours)) {
    return (
      isObject(theirs) &&
      Object.entries(ours).every(
        ([name, value]) => (top && serverOwned.has(name)) || contains(theirs[name], value, false),
      )
    )
  }
  if (Array.isArray(ours)) {
    return (
      Array.isArray(theirs) &&
      ours.length === theirs.length &&
      ours.every((value, index) => contains(theirs[index], value, false))
    )
  }
  return theirs === ours
}
