import type { Session } from './session.js'
import { storeName } from './store-name.js'

/**
 * Makes an attempt happen now, whichever tab delivers: only that one knows the waits that it has to cut short.
 * Returns the function to call, in any tab.
 */
export function shareTryNow({ queue, server }: Session): () => void {
  const channel = new BroadcastChannel(`try now ${storeName(server)}`)
  // What stands in the way shows in the bar.
  const flush = (): void => void queue.flush().catch(() => undefined)
  channel.addEventListener('message', flush)
  return () => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    channel.postMessage('now')
    flush()
  }
}
