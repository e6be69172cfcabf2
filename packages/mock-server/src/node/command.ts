import { parseArgs } from 'node:util'
import { utf8, toBase64 } from '../bytes.js'
import { createMockServer } from '../create-mock-server.js'
import { MockServerError } from '../errors.js'
import type { Listening } from './listen.js'

export const helpText = `fhir-outbox-mock - a mock FHIR R4, SMART and C3-PRO server

Usage: fhir-outbox-mock [options]

  --port <number>           port to listen on (default 8080; 0 takes a free one)
  --host <address>          address to bind (default 127.0.0.1)
  --token-seconds <number>  life of access tokens (default 300, C3-PRO 1800)
  --open                    the FHIR routes need no token
  --help                    show this text

Everything is kept in memory and gone when the server stops (Ctrl-C).
`

/** The credentials that the command puts into its server and prints. Known to everybody: never use them elsewhere. */
const trial = {
  clientId: 'mock-client',
  secret: 'mock-secret',
  antispam: 'mock-antispam',
  receipt: 'mock-receipt',
}

function wholeNumber(text: string | undefined, name: string, max: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= max) return value
  throw new MockServerError(
    'ERR_MOCK_OPTIONS',
    `--${name} takes a whole number up to ${max}.`,
    'See fhir-outbox-mock --help.',
  )
}

/**
 * The command behind the bin: `undefined` when there was only help to print, else the running server.
 * @throws MockServerError `ERR_MOCK_OPTIONS` for arguments it does not know, `ERR_MOCK_LISTEN` for a taken port.
 */
export async function runMockCommand(
  args: readonly string[],
  print: (text: string) => void,
): Promise<Listening | undefined> {
  const options = readArguments(args)
  if (options.help === true) {
    print(helpText)
    return undefined
  }
  const tokenSeconds = wholeNumber(options['token-seconds'], 'token-seconds', 1_000_000_000)
  const mock = createMockServer({
    open: options.open === true,
    limits: { logEntries: 1000 },
    ...(tokenSeconds === undefined ? {} : { tokenSeconds }),
  })
  mock.state.addClient({ clientId: trial.clientId, secret: trial.secret })
  mock.state.addAntispam(trial.antispam)
  mock.state.addReceipt(toBase64(utf8(trial.receipt)))
  const listening = await mock.listen({
    port: wholeNumber(options.port, 'port', 65_535) ?? 8080,
    ...(options.host === undefined ? {} : { host: options.host }),
  })
  const { url } = listening
  print(`FHIR Outbox mock server, stop with Ctrl-C

Index page          ${url}/
FHIR R4 base        ${url}/fhir${options.open === true ? '  (no token needed)' : ''}
Token endpoint      ${url}/auth/token
Registration        ${url}/auth/register
Client              ${trial.clientId}
Client secret       ${trial.secret}

C3-PRO registration ${url}/c3pro/register
C3-PRO token        ${url}/c3pro/oauth
C3-PRO envelopes    ${url}/c3pro/encfhir
Antispam header     ${trial.antispam}
App receipt         ${toBase64(utf8(trial.receipt))}
Key id              ${mock.state.c3pro.keyId}
${await mock.state.c3pro.certificatePem()}`)
  return listening
}

interface Arguments {
  readonly port?: string | undefined
  readonly host?: string | undefined
  readonly 'token-seconds'?: string | undefined
  readonly open?: boolean | undefined
  readonly help?: boolean | undefined
}

function readArguments(args: readonly string[]): Arguments {
  try {
    return parseArgs({
      // `pnpm mock -- --port 1` hands the separator on.
      args: args.filter((argument) => argument !== '--'),
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        'token-seconds': { type: 'string' },
        open: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new MockServerError(
      'ERR_MOCK_OPTIONS',
      error instanceof Error ? error.message : 'The arguments cannot be read.',
      'See fhir-outbox-mock --help.',
      error,
    )
  }
}
