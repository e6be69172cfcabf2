import { spawn } from 'node:child_process'
import { loginRegistration, type PatientMode, type Session } from '@fhir-outbox/smart-auth'
import { loopbackLogin } from '@fhir-outbox/smart-auth/node'
import type { Settings } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { remark, report, type Console } from '../output/console.js'
import { secretStore } from '../queue/secrets.js'

const defaultScope = 'openid fhirUser offline_access user/*.cruds'

export interface LoginOptions {
  readonly clientId?: string
  readonly scope?: string
  readonly patientMode: PatientMode
  /** Port of the redirect address; any when left out. */
  readonly port?: number
  /** Path of the redirect address, as a client registered by hand needs it. */
  readonly path?: string
  readonly waitSeconds: number
  /** Opens the browser of this machine, besides showing the address. */
  readonly browser: boolean
  readonly signal: AbortSignal
}

/** A person's login at the server: shows an address, waits for the answer on 127.0.0.1, keeps the session sealed. */
export async function login(settings: Settings, options: LoginOptions, console: Console): Promise<ExitCode> {
  const { server, directory } = settings
  const { clientId, port, path } = options
  const session = await loopbackLogin({
    store: secretStore(directory),
    fhirBaseUrl: server,
    scope: options.scope ?? defaultScope,
    patientMode: options.patientMode,
    waitMs: options.waitSeconds * 1_000,
    signal: options.signal,
    ...(clientId === undefined
      ? { registration: loginRegistration({ clientName: 'FHIR Outbox', applicationType: 'native' }) }
      : { clientId }),
    ...(port === undefined ? {} : { port }),
    ...(path === undefined ? {} : { path }),
    open(url) {
      if (console.json) report(console, 'visit', { url }, '')
      else remark(console, `Log in here:\n  ${url}`)
      if (options.browser) openBrowser(url)
    },
  })
  report(console, 'logged-in', sessionFacts(session), sessionSentence(session))
  for (const notice of session.notices) remark(console, noticeTexts[notice])
  return exitCodes.ok
}

const noticeTexts = {
  'no-refresh-token': 'The server gave no refresh token: the login ends with its access token.',
  'no-id-token': 'The server did not say who you are.',
  'scope-reduced': 'The server granted less than was asked for; see the scope.',
} as const

/** What may be told about a login: never a token. */
export function sessionFacts(session: Session): Readonly<Record<string, unknown>> {
  const { fhirBaseUrl, account, clientId, fhirUser, patient, scope, expiresAt, loggedInAt, notices } = session
  return {
    server: fhirBaseUrl,
    account,
    clientId,
    ...(fhirUser === undefined ? {} : { fhirUser }),
    ...(patient === undefined ? {} : { patient }),
    scope,
    loggedInAt: new Date(loggedInAt).toISOString(),
    ...(expiresAt === undefined ? {} : { tokenExpiresAt: new Date(expiresAt).toISOString() }),
    renewable: session.secrets().refreshToken !== undefined,
    notices,
  }
}

export function sessionSentence({ fhirBaseUrl, fhirUser, patient, scope }: Session): string {
  const who = fhirUser === undefined ? '' : ` as ${fhirUser}`
  const whose = patient === undefined ? '' : `, for Patient/${patient}`
  return `Logged in at ${fhirBaseUrl}${who}${whose}.\n  May: ${scope}`
}

/** Best effort: the address is on the screen as well. */
function openBrowser(url: string): void {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler', url]
        : ['xdg-open', url]
  const child = spawn(command, args, { stdio: 'ignore', detached: true })
  child.on('error', () => undefined)
  child.unref()
}
