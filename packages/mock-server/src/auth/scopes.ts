/** Interactions in the letters of SMART v2 scopes: create, read, update, delete, search. */
export type Letter = 'c' | 'r' | 'u' | 'd' | 's'

export interface SystemScope {
  readonly type: string
  readonly letters: string
}

const v1Letters: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' }
const systemScope = /^system\/(\*|[A-Z][A-Za-z]+)\.(read|write|\*|c?r?u?d?s?)$/

/** `undefined` for anything but a v1 or v2 system scope without a query part. */
export function parseSystemScope(text: string): SystemScope | undefined {
  const match = systemScope.exec(text)
  const [, type, permission] = match ?? []
  if (type === undefined || permission === undefined || permission === '') return undefined
  return { type, letters: v1Letters[permission] ?? permission }
}

export function splitScope(scope: string): readonly string[] {
  return scope.split(' ').filter((part) => part !== '')
}

/** Whether a granted scope string lets its holder do `letter` to resources of `type`. */
export function allows(granted: string, letter: Letter, type: string): boolean {
  return splitScope(granted).some((part) => {
    const scope = parseSystemScope(part)
    return (
      scope !== undefined && (scope.type === '*' || scope.type === type) && scope.letters.includes(letter)
    )
  })
}

/** Of the scopes asked for, those that lie wholly inside what the client may have. */
export function grantable(requested: string, allowed: string): readonly string[] {
  return splitScope(requested).filter((part) => {
    const scope = parseSystemScope(part)
    return (
      scope !== undefined &&
      [...scope.letters].every((letter) => allows(allowed, letter as Letter, scope.type))
    )
  })
}
