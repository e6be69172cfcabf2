import type { GateStatus } from '@fhir-outbox/queue-core'
import { createStore, type Store } from '../platform/store.js'
import type { Session } from './session.js'
import { storeName } from './store-name.js'
import { heads, type EntryView, type QueueView } from './view.js'

/** What the delivering tab knows of the server. Times are milliseconds since 1970, so that other tabs can use them. */
export interface GateNews {
  readonly closed: boolean
  readonly code?: string
  readonly message?: string
  readonly status?: number
  readonly nextTrialAt?: number
  readonly needsPerson?: boolean
}

export const open: GateNews = { closed: false }

function newsOf(status: GateStatus | undefined): GateNews {
  if (status === undefined || status.state === 'open') return open
  const { failure, nextTrialInMs, needsPerson } = status
  return {
    closed: true,
    ...(failure === undefined ? {} : { code: failure.code, message: failure.message }),
    ...(failure?.status === undefined ? {} : { status: failure.status }),
    ...(nextTrialInMs === undefined ? {} : { nextTrialAt: Date.now() + nextTrialInMs }),
    ...(needsPerson === undefined ? {} : { needsPerson }),
  }
}

/**
 * The closed gate that holds up what must go first. There may be two ways: one for readings as they are and one for
 * envelopes. While it is not known what waits, any closed one.
 */
export function closedGate(
  gates: readonly GateStatus[],
  entries: readonly EntryView[],
): GateStatus | undefined {
  const closed = gates.filter(({ state }) => state === 'closed')
  const first = heads(entries)
  return first.length === 0 ? closed[0] : closed.find(({ gate }) => first.some((head) => head.gate === gate))
}

/**
 * Only the tab that delivers knows whether the server can be reached. It tells the others.
 */
export function shareGateNews(
  { queue, server, delivering }: Session,
  view: Store<QueueView | undefined>,
): Store<GateNews> {
  const news = createStore(open)
  const channel = new BroadcastChannel(`gate of ${storeName(server)}`)

  function publish(): void {
    if (!delivering.get()) return
    news.set(newsOf(closedGate(queue.outbox.gates(), view.get()?.entries ?? [])))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    channel.postMessage(news.get())
  }

  channel.addEventListener('message', ({ data }: MessageEvent<GateNews | 'ask'>) => {
    if (data === 'ask') publish()
    else if (!delivering.get()) news.set(data)
  })
  queue.subscribe(() => queueMicrotask(publish))
  delivering.subscribe(publish)
  view.subscribe(publish)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
  channel.postMessage('ask')
  return news
}
