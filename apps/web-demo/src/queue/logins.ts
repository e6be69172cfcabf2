import { restoreSession, type Session as Login, type SessionOptions } from '@fhir-outbox/smart-auth'
import { openBrowserStore, type BrowserStore } from '@fhir-outbox/smart-auth/browser'
import { loginDatabase } from './login-database.js'

export type { Login }

/** A browser often cannot tell whether a lost request for a new token arrived; ending the session would not help. */
export const loginOptions: SessionOptions = { uncertainRefresh: 'resend' }

/** Where a login under way would be kept in a service worker, which begins none. */
const noTab = { getItem: () => null, setItem: () => undefined, removeItem: () => undefined }

/** Opened by the page and by the service worker: both deliver with the same login. */
export function openLoginStore(): Promise<BrowserStore> {
  const tab = 'sessionStorage' in globalThis ? {} : { tabStorage: noTab }
  return openBrowserStore({ name: loginDatabase, ...tab })
}

/** The login that is kept for a server; no request is made. */
export async function keptLogin(store: BrowserStore, fhirBaseUrl: string): Promise<Login | undefined> {
  return await restoreSession({ store, fhirBaseUrl, ...loginOptions })
}
