import type { Writable } from 'node:stream'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { exitCodeFor } from './agent-error.js'
import { addAuthCommands } from './auth-commands.js'
import { demo } from './commands/demo.js'
import { doctor } from './commands/doctor.js'
import { flush } from './commands/flush.js'
import { mock } from './commands/mock.js'
import { run } from './commands/run.js'
import { send } from './commands/send.js'
import {
  loadHome,
  loadSettings,
  type Clock,
  type Environment,
  type Flags,
  type Home,
  type Settings,
} from './config/load.js'
import { exitCodes, exitCodeTexts, type ExitCode } from './exit-codes.js'
import { describeError, reportError, type Console } from './output/console.js'
import { addHelp } from './help.js'
import { addKeyCommands } from './key-commands.js'
import { addQueueCommands } from './queue-commands.js'
import { stopSignal } from './signals.js'

const exitCodeHelp = Object.entries(exitCodeTexts)
  .map(([code, text]) => `  ${code}  ${text}`)
  .join('\n')

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Give a whole number.')
  return Number(text)
}

function typeList(text: string): readonly string[] {
  const types = text.split(',').map((type) => type.trim())
  const wrong = types.find((type) => !/^[A-Z][A-Za-z]{0,63}$/.test(type))
  if (wrong === undefined) return types
  throw new InvalidArgumentError(`"${wrong}" is not the name of a resource type, such as Observation.`)
}

/** Adds the flags that say which queue. */
function withHome(command: Command): Command {
  return command
    .option('-c, --config <file>', 'settings in JSON (FHIR_OUTBOX_CONFIG)')
    .option('-d, --directory <path>', 'home of queue, drop folder and registrations (FHIR_OUTBOX_DIRECTORY)')
    .option('--json', 'JSON lines instead of sentences')
}

/** Adds the flags that say which queue, which server, and how to be let in. */
function withServer(command: Command): Command {
  return withHome(command)
    .option('-s, --server <url>', 'base URL of the FHIR server (FHIR_OUTBOX_SERVER)')
    .option('--client-id <id>', 'OAuth client (FHIR_OUTBOX_CLIENT_ID)')
    .option('--client-secret-file <file>', 'file with its secret (or FHIR_OUTBOX_CLIENT_SECRET)')
    .option(
      '--key-file <file>',
      'private key of the client, JWK or PEM: SMART Backend Services (FHIR_OUTBOX_KEY_FILE)',
    )
    .option('--key-id <kid>', 'id of that key as registered')
    .option('--token-url <url>', 'token endpoint; default: discovered (FHIR_OUTBOX_TOKEN_URL)')
    .option('--scope <scopes>', 'what to ask for, e.g. "system/Observation.c" (FHIR_OUTBOX_SCOPE)')
    .option('--register', 'register by an own key at the server if that was not done before')
}

type Common = Flags & { readonly json?: boolean }
type Work<T> = (settings: Settings, options: T, console: Console, signal: AbortSignal) => Promise<ExitCode>

function program(surroundings: Surroundings, finish: (code: ExitCode) => void): Command {
  const { stdin, stdout, stderr, env } = surroundings
  const time = surroundings.clock === undefined ? {} : { clock: surroundings.clock }

  /** Runs one command and turns its failure into a sentence and an exit code. */
  async function perform(
    json: boolean | undefined,
    work: (console: Console, signal: AbortSignal) => Promise<ExitCode>,
  ): Promise<void> {
    const console = { out: stdout, err: stderr, json: json === true }
    const stop = stopSignal(surroundings.signal)
    try {
      finish(await work(console, stop.signal))
    } catch (error) {
      reportError(console, error)
      finish(exitCodeFor(describeError(error).code))
    } finally {
      stop.dispose()
    }
  }

  function onServer<T extends Common>(work: Work<T>): (options: T) => Promise<void> {
    return (options) =>
      perform(options.json, async (console, signal) =>
        work({ ...(await loadSettings(options, env)), ...time }, options, console, signal),
      )
  }

  const root = new Command('fhir-outbox')
    .description(
      'Delivers FHIR resources to any FHIR server: nothing lost, nothing applied twice, nobody needed.',
    )
    .version(manifest.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
    })
    .showHelpAfterError('Try "fhir-outbox --help".')
    .addHelpText(
      'after',
      `\nExit codes:\n${exitCodeHelp}\n\nStart here:\n  fhir-outbox demo\n  fhir-outbox mock --open\n  fhir-outbox send reading.json --server http://127.0.0.1:8080/fhir`,
    )

  withServer(root.command('send'))
    .description(
      'Accept files (FHIR JSON, NDJSON, Bundles, readings) into the queue and deliver what can be delivered.',
    )
    .argument('<files...>', 'paths, or - for standard input')
    .option('--dry-run', 'show method, URL, plan, lane and encryption; accept and send nothing')
    .option('--wait <seconds>', 'how long to try; the rest stays queued', wholeNumber, 30)
    .action((files: string[], options: Common & { dryRun?: boolean; wait: number }) =>
      onServer<typeof options>((settings, { dryRun, wait }, console, signal) =>
        send(settings, { files, dryRun: dryRun === true, waitSeconds: wait, stdin, signal }, console),
      )(options),
    )

  withServer(root.command('run'))
    .description(
      'Deliver for ever, unattended: what is queued, and every file that appears in the drop folder.',
    )
    .action(onServer<Common>((settings, _options, console, signal) => run(settings, console, signal)))

  withServer(root.command('flush'))
    .description('Deliver what is queued, now, and say what is left.')
    .option('--wait <seconds>', 'how long to try', wholeNumber, 60)
    .action(
      onServer<Common & { wait: number }>((settings, { wait }, console, signal) =>
        flush(settings, { waitSeconds: wait, signal }, console),
      ),
    )

  withServer(root.command('doctor'))
    .description(
      'What the server can do, what the queue has learned about it, and how writes are made safe to repeat on it. Sends nothing that is queued.',
    )
    .option('--types <list>', 'resource types, separated by commas, e.g. "Observation,Patient"', typeList)
    .option('--try', 'create a harmless resource, try the server out with it, and delete it again')
    .action((options: Common & { types?: readonly string[]; try?: boolean }) =>
      onServer<typeof options>((settings, { types, try: tryOut }, console, signal) =>
        doctor(
          settings,
          { tryOut: tryOut === true, signal, ...(types === undefined ? {} : { types }) },
          console,
        ),
      )(options),
    )

  const tools = {
    withHome,
    wholeNumber,
    onHome: (flags: Common, work: (home: Home, console: Console) => Promise<ExitCode>) =>
      perform(flags.json, async (console) => work({ ...(await loadHome(flags, env)), ...time }, console)),
    perform,
  }
  addQueueCommands<Common>(root, tools)
  addKeyCommands<Common>(root, tools)
  addAuthCommands<Common>(root, { ...tools, onServer })

  root
    .command('mock')
    .description('Start a mock FHIR, SMART and C3-PRO server for trials; "mock --help" lists its options.')
    .helpOption(false)
    .allowUnknownOption()
    .argument('[options...]')
    .action((args: string[]) => perform(false, (console, signal) => mock(args, console, signal)))

  root
    .command('demo')
    .description(
      'A day of six kinds of device in ten seconds: an outage, lost replies, expired tokens, two kills; then the count at the server.',
    )
    .option('--seed <n>', 'another day, another patient', wholeNumber, 1)
    .option('--json', 'JSON lines instead of sentences')
    .action((options: { seed: number; json?: boolean }) =>
      perform(options.json, (console, signal) => demo(options, console, signal)),
    )
  addHelp(root)
  return root
}

/** What a run of the command touches outside its arguments. */
export interface Surroundings {
  readonly stdin: NodeJS.ReadableStream
  readonly stdout: Writable
  readonly stderr: Console['err']
  readonly env: Environment
  /** Ends the command as Ctrl-C does. */
  readonly signal?: AbortSignal
  /** Default: the machine's time. */
  readonly clock?: Clock
}

/** Runs the command line, arguments without the program's name, and resolves to the exit code. */
export async function main(args: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  let code: ExitCode = exitCodes.ok
  try {
    await program(surroundings, (result) => {
      code = result
    }).parseAsync(args, { from: 'user' })
  } catch (error) {
    // commander has printed its sentence already.
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  }
  return code
}
