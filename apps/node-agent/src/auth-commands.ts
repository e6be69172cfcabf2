import { type Command, Option } from 'commander'
import type { PatientMode } from '@fhir-outbox/smart-auth'
import { login } from './commands/login.js'
import { logout } from './commands/logout.js'
import { register } from './commands/register.js'
import { whoami } from './commands/whoami.js'
import type { Settings } from './config/load.js'
import type { ExitCode } from './exit-codes.js'
import type { Console } from './output/console.js'

/** How the commands about access are made and run; the rest of the command line provides it. */
export interface AuthCommandTools<Flags> {
  readonly withHome: (command: Command) => Command
  readonly wholeNumber: (text: string) => number
  readonly onHome: (
    flags: Flags,
    work: (home: Pick<Settings, 'directory'>, console: Console) => Promise<ExitCode>,
  ) => Promise<void>
  readonly onServer: <T extends Flags>(
    work: (settings: Settings, options: T, console: Console, signal: AbortSignal) => Promise<ExitCode>,
  ) => (options: T) => Promise<void>
}

// The one for an EHR launch needs an EHR.
const modes: readonly PatientMode[] = ['token-only', 'server-select', 'single-patient']

/** Adds the commands about who may write: people's logins, and the registration of this gateway. */
export function addAuthCommands<Flags>(root: Command, tools: AuthCommandTools<Flags>): void {
  const { withHome, wholeNumber, onHome, onServer } = tools
  const withServer = (command: Command): Command =>
    withHome(command).option('-s, --server <url>', 'base URL of the FHIR server (FHIR_OUTBOX_SERVER)')

  type LoginFlags = Flags & {
    clientId?: string
    scope?: string
    patient: PatientMode
    port?: number
    path?: string
    wait: number
    browser?: boolean
  }
  withServer(root.command('login'))
    .description('Log in as a person, in a browser; later sends to this server use that login.')
    .option('--client-id <id>', 'a client registered by hand; default: registers itself')
    .option('--scope <scopes>', 'what to ask for; default: openid fhirUser offline_access user/*.cruds')
    .addOption(new Option('--patient <mode>', 'whose data it is about').choices(modes).default('token-only'))
    .option('--port <n>', 'port on 127.0.0.1 to come back to; default: any', wholeNumber)
    .option('--path <path>', 'path to come back to, as registered; default: random')
    .option('--wait <seconds>', 'how long to wait for the person', wholeNumber, 300)
    .option('--browser', 'open the browser of this machine')
    .action(
      onServer<LoginFlags>((settings, options, console, signal) => {
        const { clientId, scope, port, path } = options
        return login(
          settings,
          {
            patientMode: options.patient,
            waitSeconds: options.wait,
            browser: options.browser === true,
            signal,
            ...(clientId === undefined ? {} : { clientId }),
            ...(scope === undefined ? {} : { scope }),
            ...(port === undefined ? {} : { port }),
            ...(path === undefined ? {} : { path }),
          },
          console,
        )
      }),
    )

  withServer(root.command('logout'))
    .description('End the login at a server: revoke its tokens and remove it from this machine.')
    .option('--forget', 'forget the client that the login has registered, too')
    .action(
      onServer<Flags & { forget?: boolean }>((settings, { forget }, console) =>
        logout(settings, { forget: forget === true }, console),
      ),
    )

  withServer(root.command('register'))
    .description('Register this gateway at the server by a key of its own, and prove it with a token.')
    .option('--scope <scopes>', 'what to ask for, e.g. "system/Observation.c"')
    .option('--forget', 'delete the registration and the credentials instead')
    .action(
      onServer<Flags & { forget?: boolean; scope?: string }>((settings, { forget, scope }, console, signal) =>
        register(
          settings,
          { forget: forget === true, signal, ...(scope === undefined ? {} : { scope }) },
          console,
        ),
      ),
    )

  withHome(root.command('whoami'))
    .description('Who this home directory acts as: logins and registered clients. Asks no server.')
    .action((flags: Flags) => onHome(flags, whoami))
}
