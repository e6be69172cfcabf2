export type BodyRead = { readonly body: Uint8Array } | { readonly refused: 'too-long' | 'encoding' | 'gone' }

const decompressors = new Map([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
] as const)

/** The whole body, decompressed. `limit` counts bytes after decompression; of a longer body the rest is not read. */
export async function readBody(request: Request, limit: number): Promise<BodyRead> {
  if (request.body === null) return { body: new Uint8Array() }
  const encoding = request.headers.get('content-encoding')?.trim().toLowerCase() ?? ''
  if (encoding === '' || encoding === 'identity') return collect(request.body, limit, 'gone')
  const format = [...decompressors].find(([name]) => name === encoding)?.[1]
  if (format === undefined) return { refused: 'encoding' }
  // The DOM types tie byte streams to one kind of buffer; any chunk of bytes will do here.
  const stream = request.body.pipeThrough(
    new DecompressionStream(format) as unknown as ReadableWritablePair<Uint8Array, Uint8Array>,
  )
  return collect(stream, limit, 'encoding')
}

async function collect(
  stream: ReadableStream<Uint8Array>,
  limit: number,
  broken: 'gone' | 'encoding',
): Promise<BodyRead> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      length += value.length
      if (length > limit) {
        // Not awaited: of a cloned request the other branch may never be read, and then this never settles.
        reader.cancel().catch(() => undefined)
        return { refused: 'too-long' }
      }
      chunks.push(value)
    }
  } catch {
    return { refused: broken }
  }
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return { body: only }
  const body = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    body.set(chunk, offset)
    offset += chunk.length
  }
  return { body }
}
