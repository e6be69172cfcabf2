import type { Deadline } from './deadline.js'

/** What could be read of a response body. */
export type BodyRead =
  | { readonly state: 'complete'; readonly bytes: Uint8Array }
  | { readonly state: 'cut' | 'too-large' | 'expired' | 'aborted'; readonly cause?: unknown }

/** Reads a body up to a limit of bytes after decompression. Never rejects. */
export async function readBody(response: Response, maxBytes: number, deadline: Deadline): Promise<BodyRead> {
  const body = response.body
  if (body === null) return { state: 'complete', bytes: new Uint8Array(0) }
  if (Number(response.headers.get('content-length') ?? 0) > maxBytes) {
    discardBody(response)
    return { state: 'too-large' }
  }
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await deadline.race(reader.read())
      if (done) return { state: 'complete', bytes: join(chunks, size) }
      size += value.byteLength
      if (size > maxBytes) {
        letGo(reader.cancel())
        return { state: 'too-large' }
      }
      chunks.push(value)
    }
  } catch (cause) {
    letGo(reader.cancel())
    const stopped = deadline.stopped()
    return stopped === undefined ? { state: 'cut', cause } : { state: stopped }
  }
}

/** Gives a response back unread, so that its connection can be closed or used again. */
export function discardBody(response: Response): void {
  if (response.body !== null) letGo(response.body.cancel())
}

function letGo(cancelled: Promise<void>): void {
  // Nobody needs the bytes, so nobody needs to know that they could not be cancelled.
  cancelled.catch(() => {})
}

function join(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const only = chunks.length === 1 ? chunks[0] : undefined
  if (only !== undefined) return only
  const bytes = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes
}
