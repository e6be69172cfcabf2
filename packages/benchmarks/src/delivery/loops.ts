/** What a loop sends: the path behind the base URL, headers of this request, and the body. */
export interface Request {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Sends and takes the answer whole. */
export type Exchange = (
  request: Request,
) => Promise<{ readonly location: string | null; readonly etag: string | null; readonly text: string }>

/** Sends and forgets what is answered. */
export type Post = (request: Request) => Promise<void>

export interface Amounts {
  readonly count: number
  readonly size: number
  readonly callers: number
}

/** One resource as a store keeps it: what travels, and the key in it. */
export interface Stored {
  readonly key: string
  readonly bytes: Uint8Array
}

const encoder = new TextEncoder()

/** The same content as a queue would store, so that the same bytes travel: with a key of its own as an identifier. */
export function storedFrom(texts: readonly string[]): readonly Stored[] {
  return texts.map((text, index) => {
    const key = `10000000-0000-4000-8000-${String(index).padStart(12, '0')}`
    const resource = JSON.parse(text) as { identifier?: unknown[] }
    const own = { system: 'urn:ietf:rfc:3986', value: `urn:uuid:${key}` }
    return {
      key,
      bytes: encoder.encode(
        JSON.stringify({ ...resource, identifier: [...(resource.identifier ?? []), own] }),
      ),
    }
  })
}

/** The request that brings these resources: one by itself, or a transaction joined from their bytes. */
export function requestWith(stored: readonly Stored[], size: number): Request {
  const [first] = stored
  if (size === 1 && first !== undefined) {
    const condition = `identifier=urn%3Aietf%3Arfc%3A3986%7Curn%3Auuid%3A${first.key}`
    return { path: '/Observation', headers: { 'if-none-exist': condition }, body: first.bytes }
  }
  const parts: Uint8Array[] = []
  let between = '{"resourceType":"Bundle","type":"transaction","entry":['
  for (const [index, { key, bytes }] of stored.entries()) {
    parts.push(
      encoder.encode(`${between}${index === 0 ? '' : ','}{"fullUrl":"urn:uuid:${key}","resource":`),
      bytes,
    )
    between = ',"request":{"method":"POST","url":"Observation"}}'
  }
  parts.push(encoder.encode(`${between}]}`))
  const body = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    body.set(part, at)
    at += part.length
  }
  return { path: '', headers: {}, body }
}

function groups(stored: readonly Stored[], { count, size }: Amounts): readonly (readonly Stored[])[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, index) =>
    stored.slice(index * size, Math.min(count, (index + 1) * size)),
  )
}

async function paced<T>(
  work: readonly T[],
  { count, callers }: Amounts,
  one: (item: T) => Promise<void>,
): Promise<number> {
  let next = 0
  const started = performance.now()
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let item = work[next++]; item !== undefined; item = work[next++]) await one(item)
    }),
  )
  return count / ((performance.now() - started) / 1_000)
}

/**
 * The limit: nothing but requests. Bodies are put together beforehand, answers are read and forgotten; nobody would
 * know what became of a resource. Resources a second.
 */
export function limitLoop(post: Post, stored: readonly Stored[], amounts: Amounts): Promise<number> {
  const requests = groups(stored, amounts).map((group) => requestWith(group, amounts.size))
  return paced(requests, amounts, post)
}

/**
 * The peer: what a careful uploader without a store does. Stored bytes are joined into the request, the answer is
 * read, and every resource gets its status checked and its id and version noted in memory. Resources a second.
 */
export async function carefulLoop(
  exchange: Exchange,
  stored: readonly Stored[],
  amounts: Amounts,
): Promise<number> {
  const receipts = new Map<string, { readonly id: string; readonly version: string }>()
  const rate = await paced(groups(stored, amounts), amounts, async (group) => {
    const { location, etag, text } = await exchange(requestWith(group, amounts.size))
    const [first] = group
    if (amounts.size === 1 && first !== undefined) {
      receipts.set(first.key, receiptOf(location, etag))
      return
    }
    const { entry } = JSON.parse(text) as {
      entry: readonly { response: { status: string; location: string; etag: string } }[]
    }
    if (entry.length !== group.length) throw new Error(`${entry.length} answers for ${group.length} entries`)
    for (const [index, { response }] of entry.entries()) {
      const status = Number.parseInt(response.status, 10)
      if (status !== 200 && status !== 201) throw new Error(`status ${response.status}`)
      receipts.set(group[index]?.key ?? '', receiptOf(response.location, response.etag))
    }
  })
  if (receipts.size !== amounts.count)
    throw new Error(`${receipts.size} receipts for ${amounts.count} resources`)
  return rate
}

function receiptOf(
  location: string | null,
  etag: string | null,
): { readonly id: string; readonly version: string } {
  const found = /([A-Za-z]+\/[A-Za-z0-9\-.]+)\/_history\//.exec(location ?? '')
  const version = /^(?:W\/)?"(.+)"$/.exec(etag ?? '')
  if (found?.[1] === undefined || version?.[1] === undefined)
    throw new Error('an answer without id or version')
  return { id: found[1], version: version[1] }
}
