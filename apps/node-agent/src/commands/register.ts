import type { Settings } from '../config/load.js'
import type { AuthConfig } from '../config/schema.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { report, type Console } from '../output/console.js'
import { storedCredentials } from '../queue/secrets.js'
import { registeringClient } from '../queue/tokens.js'

export interface RegisterOptions {
  /** What to ask for; default: as the settings say. */
  readonly scope?: string
  /** Deletes the registration instead. */
  readonly forget: boolean
  readonly signal: AbortSignal
}

const name = 'client'

/** Registers this gateway at the server now and proves it with a token, so that `run` needs nobody later. */
export async function register(
  settings: Settings,
  options: RegisterOptions,
  console: Console,
): Promise<ExitCode> {
  const { server, directory } = settings
  const client = await registeringClient(authFor(settings.auth, options.scope), {
    url: server,
    directory,
    name,
  })
  if (options.forget) {
    const registration = await client.forgetRegistration()
    const sentence =
      registration === 'deleted'
        ? `The registration at ${server} is deleted, and the credentials are removed.`
        : `The credentials are removed. The registration at ${server}, if there was one, is still there.`
    report(console, 'forgotten', { server, registration }, sentence)
    return exitCodes.ok
  }
  const { scope } = await client.getToken({ url: server, signal: options.signal })
  const stored = await storedCredentials(directory, name).load()
  const clientId = stored?.clientId ?? ''
  report(
    console,
    'registered',
    { server, clientId, ...(scope === undefined ? {} : { scope }) },
    `Registered at ${server} as ${clientId}.${scope === undefined ? '' : `\n  May: ${scope}`}`,
  )
  return exitCodes.ok
}

function authFor(auth: AuthConfig, scope: string | undefined): AuthConfig {
  const base = auth.type === 'none' ? ({ type: 'register' } as const) : auth
  return scope === undefined ? base : { ...base, scope }
}
