import { listSessions, restoreSession } from '@fhir-outbox/smart-auth'
import type { Settings } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { report, type Console } from '../output/console.js'
import { secretStore, storedCredentials } from '../queue/secrets.js'
import { encryptedClient } from '../queue/tokens.js'
import { sessionFacts, sessionSentence } from './login.js'

/** Who this home directory acts as: people's logins and registered clients. Asks no server. */
export async function whoami(
  { directory }: Pick<Settings, 'directory'>,
  console: Console,
): Promise<ExitCode> {
  const store = secretStore(directory)
  let found = false
  for (const reference of await listSessions(store)) {
    const session = await restoreSession({ store, ...reference })
    if (session === undefined) continue
    found = true
    report(console, 'login', sessionFacts(session), sessionSentence(session))
  }
  for (const name of ['client', encryptedClient]) {
    const client = await storedCredentials(directory, name).load()
    if (client === undefined) continue
    found = true
    const { server, clientId, authMethod, registeredAt, confirmed } = client
    const since = new Date(registeredAt).toISOString()
    report(
      console,
      'client',
      { server, clientId, authMethod, registeredAt: since, confirmed },
      `Registered at ${server} as ${clientId} since ${since}.`,
    )
  }
  if (!found)
    report(
      console,
      'nobody',
      { directory },
      `${directory}: nobody is logged in, and no client is registered.`,
    )
  return exitCodes.ok
}
