import { isObject, jsonText, type JsonObject } from '../json.js'
import { FhirProblem } from './problem.js'

type Path = readonly string[]

function refuse(diagnostics: string, status = 400): never {
  throw new FhirProblem(status, status === 422 ? 'processing' : 'structure', diagnostics)
}

function parsePointer(value: unknown): Path {
  if (typeof value !== 'string' || !/^(\/([^~/]|~[01])*)*$/.test(value))
    return refuse('A JSON Pointer cannot be read.')
  return value
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function indexIn(part: string, max: number): number {
  const index = /^(0|[1-9]\d*)$/.test(part) ? Number(part) : NaN
  return index <= max ? index : refuse('A path points outside an array.', 422)
}

function childOf(parent: unknown, part: string): unknown {
  if (Array.isArray(parent)) return parent[indexIn(part, parent.length - 1)] as unknown
  if (isObject(parent) && Object.hasOwn(parent, part)) return parent[part]
  return refuse('A path points to nothing.', 422)
}

function valueAt(document: unknown, path: Path): unknown {
  return path.reduce(childOf, document)
}

/** A copy of `document` in which `change` was done to the container of the last part of `path`. */
function withContainer(
  document: unknown,
  [part, ...rest]: Path,
  change: (container: unknown, last: string) => unknown,
): unknown {
  if (part === undefined) return refuse('The path of the whole document is not allowed here.')
  if (rest.length === 0) return change(document, part)
  const child = withContainer(childOf(document, part), rest, change)
  return Array.isArray(document)
    ? document.with(Number(part), child)
    : defined({ ...(document as JsonObject) }, part, child)
}

/** Sets a member so that `__proto__` is one like any other. */
function defined(object: JsonObject, name: string, value: unknown): JsonObject {
  return Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}

function add(document: unknown, path: Path, value: unknown): unknown {
  if (path.length === 0) return value
  return withContainer(document, path, (container, last) => {
    if (Array.isArray(container)) {
      const index = last === '-' ? container.length : indexIn(last, container.length)
      return container.toSpliced(index, 0, value)
    }
    if (!isObject(container)) return refuse('A path points into a value that has no members.', 422)
    return defined({ ...container }, last, value)
  })
}

function remove(document: unknown, path: Path): unknown {
  return withContainer(document, path, (container, last) => {
    childOf(container, last)
    if (Array.isArray(container)) return container.toSpliced(Number(last), 1)
    const { [last]: _gone, ...rest } = container as JsonObject
    return rest
  })
}

/** RFC 6902. Works on a copy; a failing operation leaves nothing behind. */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) return refuse('A JSON Patch is an array of operations.')
  let result = document
  for (const operation of patch as unknown[]) {
    if (!isObject(operation)) return refuse('An operation of the patch is no object.')
    result = applyOperation(result, operation)
  }
  return result
}

function applyOperation(document: unknown, operation: JsonObject): unknown {
  const path = parsePointer(operation['path'])
  const value = (): unknown =>
    Object.hasOwn(operation, 'value') ? operation['value'] : refuse('An operation of the patch has no value.')
  switch (operation['op']) {
    case 'add':
      return add(document, path, value())
    case 'remove':
      return remove(document, path)
    case 'replace':
      valueAt(document, path)
      return path.length === 0 ? value() : add(remove(document, path), path, value())
    case 'move': {
      const from = parsePointer(operation['from'])
      if (path.length > from.length && from.every((part, index) => part === path[index])) {
        return refuse('A value cannot be moved into itself.')
      }
      const moved = valueAt(document, from)
      return from.join('/') === path.join('/') ? document : add(remove(document, from), path, moved)
    }
    case 'copy':
      return add(document, path, valueAt(document, parsePointer(operation['from'])))
    case 'test':
      if (sameJson(valueAt(document, path), value())) return document
      return refuse('A test of the patch failed.', 422)
    default:
      return refuse('The patch has an operation that nobody knows.')
  }
}

/** Equality without the order of members. */
function sameJson(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => sameJson(item, b[index]))
  }
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a)
    return (
      names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && sameJson(a[name], b[name]))
    )
  }
  return a === b || jsonText(a) === jsonText(b)
}
