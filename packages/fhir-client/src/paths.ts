import { invalid } from './conditions.js'

/** A resource type as a path segment. Throws `ERR_INVALID_REQUEST`. */
export function typePath(type: string): string {
  if (!/^[A-Z][A-Za-z0-9]*$/.test(type)) throw invalid('The resource type is not one.')
  return type
}

/** Half a character: it has no UTF-8 form, so it cannot be written into a URL. */
const loneSurrogate = /\p{Surrogate}/u

/** An id or version as a path segment. Throws `ERR_INVALID_REQUEST`. */
export function segment(id: string): string {
  const usable = typeof id === 'string' && id !== '' && id !== '.' && id !== '..' && !loneSurrogate.test(id)
  if (!usable) throw invalid('The id is not one.')
  return encodeURIComponent(id)
}

/** `[type[/id]]` of an interaction that exists on all three levels; empty for the whole system. */
export function levelPath(level: {
  readonly type?: string | undefined
  readonly id?: string | undefined
}): string {
  const { type, id } = level
  if (type === undefined) {
    if (id !== undefined) throw invalid('An id needs a type.')
    return ''
  }
  return id === undefined ? typePath(type) : `${typePath(type)}/${segment(id)}`
}
