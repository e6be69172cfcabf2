/** A response body between a connection that pushes and a reader that pulls. */
export interface BodyQueue extends AsyncIterable<Uint8Array> {
  /** `false`: enough for now, until `onDrain`. */
  push(chunk: Uint8Array): boolean
  end(): void
  fail(error: unknown): void
}

interface Waiter {
  resolve(result: IteratorResult<Uint8Array, undefined>): void
  reject(error: unknown): void
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined }

/**
 * Much less than a stream, since every request pays for it: most answers are one chunk that is there before it is
 * asked for. It is read once.
 */
export function bodyQueue(options: {
  /** Buffered bytes from which on `push` asks for a pause. */
  readonly highWater: number
  readonly onDrain: () => void
  /** The reader leaves before the end. */
  readonly onLeave: () => void
}): BodyQueue {
  const { highWater, onDrain, onLeave } = options
  const chunks: Uint8Array[] = []
  let buffered = 0
  let waiting: Waiter | undefined
  let state: 'open' | 'ended' | 'failed' = 'open'
  let failure: unknown
  const close = (how: 'ended' | 'failed', error?: unknown): void => {
    if (state !== 'open') return
    state = how
    failure = error
    if (how === 'ended') waiting?.resolve(done)
    else waiting?.reject(error)
    waiting = undefined
  }
  const iterator: AsyncIterator<Uint8Array, undefined> = {
    next: () => {
      const chunk = chunks.shift()
      if (chunk !== undefined) {
        const wasFull = buffered >= highWater
        buffered -= chunk.byteLength
        if (wasFull && buffered < highWater) onDrain()
        return Promise.resolve({ done: false, value: chunk })
      }
      if (state === 'ended') return Promise.resolve(done)
      if (state === 'failed') return Promise.reject(failure)
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject }
      })
    },
    return: () => {
      chunks.length = 0
      const left = state === 'open'
      close('ended')
      if (left) onLeave()
      return Promise.resolve(done)
    },
  }
  return {
    push: (chunk) => {
      if (state !== 'open') return true
      if (waiting !== undefined) {
        waiting.resolve({ done: false, value: chunk })
        waiting = undefined
        return true
      }
      chunks.push(chunk)
      buffered += chunk.byteLength
      return buffered < highWater
    },
    end: () => close('ended'),
    fail: (error) => close('failed', error),
    [Symbol.asyncIterator]: () => iterator,
  }
}
