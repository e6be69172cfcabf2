import { forgetLoginRegistration, restoreSession } from '@fhir-outbox/smart-auth'
import type { Settings } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { report, type Console } from '../output/console.js'
import { secretStore } from '../queue/secrets.js'

export interface LogoutOptions {
  /** Also forgets the client that the login has registered. */
  readonly forget: boolean
}

/** Ends a person's login: revokes its tokens where the server takes that, and removes it from this machine. */
export async function logout(
  settings: Settings,
  options: LogoutOptions,
  console: Console,
): Promise<ExitCode> {
  const { server: fhirBaseUrl, directory } = settings
  const reference = { store: secretStore(directory), fhirBaseUrl }
  const session = await restoreSession(reference)
  const tokens = session === undefined ? 'none' : await session.end()
  const registration = options.forget ? await forgetLoginRegistration(reference) : undefined
  const sentences = {
    none: `Nobody was logged in at ${fhirBaseUrl}.`,
    revoked: `Logged out at ${fhirBaseUrl}; the tokens are revoked.`,
    left: `Logged out on this machine. ${fhirBaseUrl} could not be asked to revoke the tokens: they end by themselves.`,
  }
  report(
    console,
    'logged-out',
    { server: fhirBaseUrl, tokens, ...(registration === undefined ? {} : { registration }) },
    sentences[tokens],
  )
  return exitCodes.ok
}
