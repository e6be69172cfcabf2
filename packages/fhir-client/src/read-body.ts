import { joinParts } from './body.js'
import type { Deadline } from './deadline.js'
import type { SenderResponse } from './sender.js'

/** What could be read of a response body. */
export type BodyRead =
  | { readonly state: 'complete'; readonly bytes: Uint8Array }
  | { readonly state: 'cut' | 'too-large' | 'expired' | 'aborted'; readonly cause?: unknown }

const nothing = new Uint8Array(0)

/** Reads a body up to a limit of bytes after decompression. Never rejects. */
export async function readBody(
  response: SenderResponse,
  maxBytes: number,
  deadline: Deadline,
): Promise<BodyRead> {
  if (response.body === null) return { state: 'complete', bytes: nothing }
  if (Number(response.headers.get('content-length') ?? 0) > maxBytes) {
    discardBody(response)
    return { state: 'too-large' }
  }
  const chunks: Uint8Array[] = []
  let size = 0
  const source = openBody(response.body)
  try {
    for (;;) {
      const { done, value } = await deadline.race(source.next())
      if (done === true) return { state: 'complete', bytes: joinParts(chunks) }
      size += value.byteLength
      if (size > maxBytes) {
        source.cancel()
        return { state: 'too-large' }
      }
      chunks.push(value)
    }
  } catch (cause) {
    source.cancel()
    const stopped = deadline.stopped()
    return stopped === undefined ? { state: 'cut', cause } : { state: stopped }
  }
}

/** Gives a response back unread, so that its connection can be closed or used again. */
export function discardBody(response: SenderResponse): void {
  if (response.body !== null) openBody(response.body).cancel()
}

interface BodySource {
  next(): Promise<
    { readonly done?: false; readonly value: Uint8Array } | { readonly done: true; readonly value?: unknown }
  >
  /** Nobody needs the rest, so nobody needs to know that it could not be cancelled. */
  cancel(): void
}

function openBody(body: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>): BodySource {
  // Not every platform's streams can be iterated over.
  if ('getReader' in body) {
    const reader = body.getReader()
    return { next: () => reader.read(), cancel: () => void reader.cancel().catch(() => {}) }
  }
  const iterator = body[Symbol.asyncIterator]()
  return { next: () => iterator.next(), cancel: () => void iterator.return?.().catch(() => {}) }
}
