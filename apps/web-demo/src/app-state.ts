import { requestDelivery } from '@fhir-outbox/storage-idb/service-worker'
import { createStore, type Store } from './platform/store.js'
import { troubleSwitches, type TroubleSwitches } from './platform/trouble-switches.js'
import { parseRoute, type Route } from './platform/route.js'
import { appRoot } from './platform/server.js'
import { shareGateNews, type GateNews } from './queue/gate-news.js'
import { serverReadings, watchContents, type ContentsStore, type ServerReadings } from './queue/readings.js'
import type { Session } from './queue/session.js'
import { shareTryNow } from './queue/try-now.js'
import { watchQueue, type QueueView } from './queue/view.js'

/** Everything the screens read from. */
export interface App {
  readonly session: Session
  readonly route: Store<Route>
  readonly view: Store<QueueView | undefined>
  readonly contents: ContentsStore
  readonly gate: Store<GateNews>
  /** Whether the browser has the network that the server needs; the demo server needs none. */
  readonly online: Store<boolean>
  readonly server: { readonly store: Store<ServerReadings>; load(): void }
  /** Has whichever tab delivers try at once. */
  readonly tryNow: () => void
  /** Only with the demo server. */
  readonly troubles: TroubleSwitches | undefined
}

export function createApp(session: Session): App {
  const demo = session.server.kind === 'demo'
  const view = watchQueue(session)
  const route = createStore(parseRoute(location.hash))
  addEventListener('hashchange', () => route.set(parseRoute(location.hash)))
  const isOnline = (): boolean => demo || navigator.onLine
  const online = createStore(isOnline())
  const tryNow = shareTryNow(session)
  /** Whichever tab delivers has what it was waiting for; and with other scopes other plans may be right. */
  const signedInOrOut = (): void => {
    const looked = session.queue.plan([], { refresh: true })
    looked.then(tryNow, tryNow)
  }
  session.signIn?.login.subscribe(signedInOrOut)
  if (session.signIn?.returned === true) signedInOrOut()
  for (const change of ['online', 'offline']) {
    addEventListener(change, () => {
      online.set(isOnline())
      if (online.get()) tryNow()
    })
  }
  // When the last tab goes, the service worker takes over; while there is another one, it finds that out.
  addEventListener('pagehide', () => {
    if ((view.get()?.stats.waiting ?? 0) > 0) void requestDelivery().catch(() => undefined)
  })
  return {
    session,
    route,
    view,
    contents: watchContents(session, view),
    gate: shareGateNews(session, view),
    online,
    tryNow,
    server: serverReadings(session),
    troubles: demo ? troubleSwitches(appRoot(new URL(location.href))) : undefined,
  }
}
