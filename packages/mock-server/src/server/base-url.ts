/**
 * The root that absolute links show (Blaze's rules): `X-Forwarded-Host` with `X-Forwarded-Proto` wins, else the first
 * element of `Forwarded`, else `fallback`. The two kinds are never mixed; port and prefix headers are not looked at.
 */
export function rootOf(headers: Headers, fallback: string): string {
  const forwardedHost = headers.get('x-forwarded-host')
  if (forwardedHost !== null) return join(headers.get('x-forwarded-proto'), forwardedHost, fallback)
  const first = elementOf(headers.get('forwarded') ?? '')
  return first.host === undefined ? fallback : join(first.proto ?? null, first.host, fallback)
}

function join(proto: string | null, host: string, fallback: string): string {
  const root = `${proto ?? 'http'}://${host}`
  // A header that makes no origin is no reason to hand out broken links.
  if (!/^https?:\/\/[^/?#@\s]+$/.test(root) || !URL.canParse(root)) return fallback
  return root
}

function elementOf(header: string): { readonly host?: string; readonly proto?: string } {
  const [first = ''] = header.split(',')
  const pairs = first.split(';').map((pair): readonly [string, string] => {
    const [name = '', ...value] = pair.split('=')
    return [name.trim().toLowerCase(), value.join('=').trim().replaceAll('"', '')]
  })
  return Object.fromEntries(pairs)
}
