/** The whole body, or `undefined` when it is longer than `limit` bytes (the rest is not read). */
export async function readBody(request: Request, limit: number): Promise<Uint8Array | undefined> {
  if (request.body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = request.body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > limit) {
      // Not awaited: of a cloned request the other branch may never be read, and then this never settles.
      reader.cancel().catch(() => undefined)
      return undefined
    }
    chunks.push(value)
  }
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return only
  const body = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    body.set(chunk, offset)
    offset += chunk.length
  }
  return body
}
