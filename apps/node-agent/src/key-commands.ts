import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  generateKey,
  generateRecordKey,
  rotateKey,
  showKeys,
  showRecordKeys,
  type KeyFlags,
} from './commands/keys.js'
import type { Home } from './config/load.js'
import type { ExitCode } from './exit-codes.js'
import type { Console } from './output/console.js'

/** How the commands of keys are made and run; the rest of the command line provides it. */
export interface KeyCommandTools<Flags> {
  readonly withHome: (command: Command) => Command
  readonly wholeNumber: (text: string) => number
  readonly onHome: (flags: Flags, work: (home: Home, console: Console) => Promise<ExitCode>) => Promise<void>
  readonly perform: (
    json: boolean | undefined,
    work: (console: Console) => Promise<ExitCode>,
  ) => Promise<void>
}

type Options = KeyFlags & { readonly json?: boolean }

/** Adds `keys generate | rotate | show`. */
export function addKeyCommands<Flags>(root: Command, tools: KeyCommandTools<Flags>): void {
  const { withHome, wholeNumber, onHome, perform } = tools
  const keys = root.command('keys').description('Keys of a receiver of envelopes, and of the queue at rest.')

  function withKind(command: Command): Command {
    return command
      .option('--bits <n>', 'RSA modulus: 2048, 3072 (default) or 4096', modulusBits)
      .addOption(
        new Option('--curve <name>', 'an elliptic key instead of RSA').choices(['P-256', 'P-384', 'P-521']),
      )
      .option('--days <n>', 'how long the certificate is valid; default 730', wholeNumber)
      .option('--key-id <id>', 'default: a new UUID')
      .option('--passphrase-file <file>', 'encrypts the private key with what stands in that file')
      .option('--json', 'JSON lines instead of sentences')
  }

  withKind(keys.command('generate'))
    .description(
      'Make a key pair with its certificate: FOLDER/<key id>/{certificate.pem,private-key.pem}, and list it in FOLDER/jwks.json.',
    )
    .argument('[folder]', 'where the receiver keeps its keys', 'keys')
    .addOption(new Option('--suite <name>', 'what the key is for; default jwe').choices(['jwe', 'c3-pro']))
    .option('--records <file>', 'instead: a key file for sealing the queue at rest')
    .action((folder: string, { records, json, ...options }: Options & { records?: string }) =>
      perform(json, (console) =>
        records === undefined ? generateKey(folder, options, console) : generateRecordKey(records, console),
      ),
    )

  withKind(keys.command('rotate'))
    .description(
      'Make the next key beside the newest one; the older ones go on opening what was sealed for them.',
    )
    .argument('[folder]', 'where the receiver keeps its keys', 'keys')
    .action((folder: string, { json, ...options }: Options) =>
      perform(json, (console) => rotateKey(folder, options, console)),
    )

  withHome(keys.command('show'))
    .description(
      'The keys of a receiver; with --records those of the queue at rest, and which can be deleted.',
    )
    .argument('[folder]', 'where the receiver keeps its keys', 'keys')
    .option('--records', 'the keys of "sealing" in the config file')
    .action((folder: string, { records, ...flags }: Flags & { records?: boolean; json?: boolean }) =>
      records === true
        ? onHome(flags as Flags, showRecordKeys)
        : perform(flags.json, (console) => showKeys(folder, console)),
    )
}

function modulusBits(text: string): 2048 | 3072 | 4096 {
  if (text === '2048') return 2048
  if (text === '3072') return 3072
  if (text === '4096') return 4096
  throw new InvalidArgumentError('Give 2048, 3072 or 4096.')
}
