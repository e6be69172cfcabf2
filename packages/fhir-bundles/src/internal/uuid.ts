const COUNTED = 6
const MOST = 0x100_0000

/**
 * A source of lower-case UUIDs v4, no two alike: a random one, counted up at its end. Within one bundle that is as
 * good as a random one for each entry, and much cheaper.
 */
export function uuidSource(): () => string {
  const first = randomUuid()
  const head = first.slice(0, -COUNTED)
  let last = Number.parseInt(first.slice(-COUNTED), 16)
  return () => {
    last = (last + 1) % MOST
    return `${head}${(last + MOST).toString(16).slice(1)}`
  }
}

function randomUuid(): string {
  const { crypto } = globalThis
  // Missing on plain-http pages, where the octets are not.
  return typeof crypto.randomUUID === 'function' ? crypto.randomUUID() : uuidOf(crypto)
}

function uuidOf(crypto: Pick<Crypto, 'getRandomValues'>): string {
  const octets = crypto.getRandomValues(new Uint8Array(16))
  octets[6] = ((octets[6] ?? 0) & 0x0f) | 0x40
  octets[8] = ((octets[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
