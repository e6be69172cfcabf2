/**
 * Pages that seal share a room; whoever changes the keys needs it empty. A page with yesterday's keys could not open
 * what another one has sealed today, and would take it for damaged.
 */
const room = 'fhir-outbox-demo-keys'

export interface Guest {
  leave(): void
  /** Leaves, asks everybody else out, and does `work` alone. */
  workAlone(work: () => Promise<void>): Promise<void>
}

/**
 * Waits for a change of keys that is under way; then the keys stay as they are until the guest leaves. `asked` is
 * called when somebody wants to change them.
 */
export async function enterKeyRoom(asked: () => void): Promise<Guest> {
  // A channel does not hear itself: whoever asks is not asked.
  const channel = new BroadcastChannel(room)
  channel.addEventListener('message', asked)
  const leave = await new Promise<() => void>((resolve, reject) => {
    const stay = (): Promise<void> => new Promise((left) => resolve(left))
    navigator.locks.request(room, { mode: 'shared' }, stay).catch(reject)
  })
  return {
    leave() {
      leave()
      channel.close()
    },
    async workAlone(work) {
      const alone = navigator.locks.request(room, { mode: 'exclusive' }, work)
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
      channel.postMessage('leave')
      leave()
      await alone
      channel.close()
    },
  }
}
