import { pipeline, Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'

/** Undoes the content encodings this sender asks for; others are passed on as they came. */
export function decode(body: AsyncIterable<Uint8Array>, encoding: string | null): AsyncIterable<Uint8Array> {
  const decoder = decoderOf(encoding?.trim().toLowerCase() ?? '')
  return decoder === undefined ? body : { [Symbol.asyncIterator]: () => decoded(body, decoder) }
}

/** Not a generator: leaving one that has not begun would not let go of the connection. */
function decoded(body: AsyncIterable<Uint8Array>, decoder: Transform): AsyncIterator<Uint8Array, undefined> {
  const source = body[Symbol.asyncIterator]()
  let inner: AsyncIterator<Uint8Array> | undefined
  const begin = async (): Promise<AsyncIterator<Uint8Array> | undefined> => {
    // An empty body is empty in every encoding, though decoders miss their header.
    const first = await source.next()
    if (first.done === true) return undefined
    const whole = async function* (): AsyncGenerator<Uint8Array, void, void> {
      yield first.value
      yield* { [Symbol.asyncIterator]: () => source }
    }
    // Whoever reads the decoder meets the error there; the callback only keeps it from being unhandled.
    pipeline(Readable.from(whole(), { objectMode: false }), decoder, () => {})
    return decoder[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  }
  return {
    next: async () => {
      inner ??= await begin()
      const result = await inner?.next()
      return result?.done === false ? result : { done: true, value: undefined }
    },
    return: async () => {
      await inner?.return?.()
      await source.return?.()
      return { done: true, value: undefined }
    },
  }
}

function decoderOf(encoding: string): Transform | undefined {
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip()
    case 'deflate':
      return createInflate()
    case 'br':
      return createBrotliDecompress()
    default:
      return undefined
  }
}
