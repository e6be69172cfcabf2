/** One value of a search parameter. */
export type SearchValue = string | number | boolean

/** Search parameters; a list repeats the parameter (and), a comma inside a value means or. */
export type SearchParams =
  | URLSearchParams
  | Readonly<Record<string, SearchValue | readonly SearchValue[] | undefined>>
  | readonly (readonly [name: string, value: SearchValue])[]

/** The parameters as a query string or form body, without `?`. */
export function encodeSearchParams(params: SearchParams): string {
  if (params instanceof URLSearchParams) return params.toString()
  const encoded = new URLSearchParams()
  const pairs: readonly (readonly [string, SearchValue | readonly SearchValue[] | undefined])[] = isPairs(
    params,
  )
    ? params
    : Object.entries(params)
  for (const [name, value] of pairs) {
    if (value === undefined) continue
    for (const one of isList(value) ? value : [value]) encoded.append(name, String(one))
  }
  return encoded.toString()
}

function isPairs(params: SearchParams): params is readonly (readonly [string, SearchValue])[] {
  return Array.isArray(params)
}

function isList(value: SearchValue | readonly SearchValue[]): value is readonly SearchValue[] {
  return Array.isArray(value)
}
