import { deliverInBackground } from '@fhir-outbox/storage-idb/service-worker'
import { appFiles } from './app-files.js'
import type * as Delivery from './delivery.js'
import { lazyScript } from './lazy-script.js'
import { mockAnswers } from './mock-answers.js'
import { scope } from './scope.js'

/** Filled in by the build: every file of the app with its revision. */
declare const __WB_MANIFEST: readonly { readonly url: string; readonly revision: string | null }[]
declare const self: {
  readonly __WB_MANIFEST: typeof __WB_MANIFEST
  readonly fhirOutboxDelivery?: typeof Delivery
}

const base = scope.registration.scope
const files = appFiles(base, self.__WB_MANIFEST)
const mock = mockAnswers(base)
const delivery = lazyScript(new URL('delivery.js', base).href, () => self.fhirOutboxDelivery)

deliverInBackground({
  open: async () =>
    await delivery.load().openDelivery({ demoUrl: new URL('mock/fhir', base).href, answer: mock.reply }),
})

scope.addEventListener('install', (event) => {
  const install = async (): Promise<void> => {
    // Before anything is awaited: only what was imported while installing may be imported later.
    mock.prepare()
    delivery.prepare()
    await files.store()
    await scope.skipWaiting()
  }
  event.waitUntil(install())
})

scope.addEventListener('activate', (event) => {
  event.waitUntil(files.removeOthers().then(() => scope.clients.claim()))
})

// A page that was loaded past the service worker (a forced reload) asks to be served by it.
scope.addEventListener('message', (event) => {
  if (event.data === 'claim') event.waitUntil(scope.clients.claim())
})

scope.addEventListener('fetch', (event) => {
  const { request } = event
  const answer = mock.answer(request) ?? files.answer(request)
  if (answer !== undefined) event.respondWith(answer)
})
