/** `application/x-www-form-urlencoded` decoding of one value; `undefined` when an escape is broken. */
export function formDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** `user:password` of a Basic header, undecoded; `undefined` when the header is no Basic header. */
export function basicParts(authorization: string | null): { readonly text: string } | undefined {
  const match = /^basic ([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? '')
  if (match?.[1] === undefined) return undefined
  try {
    return { text: new TextDecoder().decode(Uint8Array.from(atob(match[1]), (c) => c.charCodeAt(0))) }
  } catch {
    return undefined
  }
}
