import { beginLaunch, completeLaunch, memorySecretStore } from '@fhir-outbox/smart-auth'
import { openBrowserStore } from '@fhir-outbox/smart-auth/browser'
import { base, peopleServer, redirectUri } from './people-server.js'

/** What a worker, which belongs to no tab, can do with a store: the answer to the name of one. */
async function answer(name: string): Promise<unknown> {
  const store = await openBrowserStore({ name })
  const people = await peopleServer()
  const { fetch } = people
  const now = (): number => people.now
  const url = await people.begin({ store })
  const callbackUrl = people.answer(url)
  const session = await completeLaunch({ store, callbackUrl, fetch, now })
  const again = await completeLaunch({ store, callbackUrl, fetch, now }).catch(
    (error: unknown) => (error as { code?: unknown }).code,
  )
  const elsewhere = await beginLaunch({ store: memorySecretStore(), fhirBaseUrl: base, clientId: 'app', redirectUri, scope: 'openid', fetch, now }) // prettier-ignore
  const foreign = await completeLaunch({
    store,
    callbackUrl: people.answer(new URL(elsewhere.url)),
    fetch,
    now,
  }).catch((error: unknown) => (error as { code?: unknown }).code)
  const ids = await store.ids()
  store.close()
  return { hasTab: 'sessionStorage' in globalThis, person: session.claims?.sub, again, foreign, ids }
}

const { name } = globalThis as unknown as { readonly name: string }
answer(name).then(postMessage, (error: unknown) => postMessage(String(error)))
