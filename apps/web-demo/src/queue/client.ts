import { createFhirClient, type FhirClient, type FhirClientOptions } from '@fhir-outbox/fhir-client'
import type { Login } from './logins.js'

/** The client of a server, and what tells its queue which scopes were granted. */
export interface SignedClient {
  readonly fhir: FhirClient
  readonly tokens: { getToken(request: { readonly url: string }): Promise<{ readonly scope?: string }> }
}

/**
 * A client that sends with the token of whoever is signed in, and without one while nobody is: an open server takes
 * that, and any other answers 401, which closes the way until somebody signs in.
 */
export function clientOf(
  baseUrl: string,
  login: () => Login | undefined,
  send?: FhirClientOptions['send'],
): SignedClient {
  const sender = send === undefined ? {} : { send }
  const open = createFhirClient({ baseUrl, ...sender })
  let signed: { readonly login: Login; readonly client: FhirClient } | undefined

  function current(): FhirClient {
    const now = login()
    if (now === undefined) return open
    if (signed?.login !== now) {
      signed = { login: now, client: createFhirClient({ baseUrl, tokens: now, ...sender }) }
    }
    return signed.client
  }

  return {
    // Logins come and go while the queue stays: each call is made by the client of that moment.
    fhir: new Proxy(open, { get: (_, name) => Reflect.get(current(), name) as unknown }),
    tokens: {
      async getToken({ url }) {
        const token = await login()?.getToken({ url })
        return token?.scope === undefined ? {} : { scope: token.scope }
      },
    },
  }
}
