import { parseArgs } from 'node:util'
import { toBase64, utf8 } from '../bytes.js'
import { createMockServer } from '../create-mock-server.js'
import { MockServerError } from '../errors.js'
import { fhirProfiles, type FhirProfileName } from '../fhir/profile.js'
import { addTrialData, trial } from '../trial.js'
import type { Listening } from './listen.js'

export const helpText = `fhir-outbox-mock - a mock FHIR R4, SMART and C3-PRO server

Usage: fhir-outbox-mock [options]

  --port <number>           port to listen on (default 8080; 0 takes a free one)
  --host <address>          address to bind (default 127.0.0.1)
  --base-url <url>          the root that links show, where it is not the address of the request
  --profile <name>          FHIR server to be like: strict (default), blaze, medplum, careless
  --c3pro <name>            C3-PRO receiver to be like: correct (default), 2016
  --token-seconds <number>  life of access tokens (default 300, C3-PRO 1800)
  --open                    the FHIR routes need no token
  --help                    show this text

Everything is kept in memory and gone when the server stops (Ctrl-C).
`

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
  const baseUrl = options['base-url']
  const mock = createMockServer({
    open: options.open === true,
    limits: { logEntries: 1000 },
    profiles: {
      fhir: oneOf(options.profile, 'profile', Object.keys(fhirProfiles) as FhirProfileName[]) ?? 'strict',
      c3pro: oneOf(options.c3pro, 'c3pro', ['correct', '2016'] as const) ?? 'correct',
    },
    ...(tokenSeconds === undefined ? {} : { tokenSeconds }),
    ...(baseUrl === undefined ? {} : { baseUrl }),
  })
  addTrialData(mock.state)
  const listening = await mock.listen({
    port: wholeNumber(options.port, 'port', 65_535) ?? 8080,
    ...(options.host === undefined ? {} : { host: options.host }),
  })
  const url = baseUrl ?? listening.url
  print(`FHIR Outbox mock server, stop with Ctrl-C

Index page          ${url}/   (with examples to copy)
FHIR R4 base        ${url}/fhir${options.open === true ? '  (no token needed)' : ''}
Token endpoint      ${url}/auth/token
Registration        ${url}/auth/register
Client              ${trial.clientId}
Client secret       ${trial.secret}

Authorization       ${url}/auth/authorize
App with a login    ${trial.app}
Redirect address    ${trial.redirectUri}
${trial.users.map(({ username, password }) => `Login               ${username} / ${password}`).join('\n')}

C3-PRO registration ${url}/c3pro/register
C3-PRO token        ${url}/c3pro/oauth
C3-PRO envelopes    ${url}/c3pro/encfhir
Antispam header     ${trial.antispam}
App receipt         ${toBase64(utf8(trial.receipt))}
Key id              ${mock.state.c3pro.keyId}
${await mock.state.c3pro.certificatePem()}`)
  return listening
}

function oneOf<T extends string>(text: string | undefined, name: string, known: readonly T[]): T | undefined {
  if (text === undefined) return undefined
  const found = known.find((one) => one === text)
  if (found !== undefined) return found
  throw new MockServerError(
    'ERR_MOCK_OPTIONS',
    `--${name} takes one of: ${known.join(', ')}.`,
    'See fhir-outbox-mock --help.',
  )
}

interface Arguments {
  readonly port?: string | undefined
  readonly host?: string | undefined
  readonly 'base-url'?: string | undefined
  readonly profile?: string | undefined
  readonly c3pro?: string | undefined
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
        'base-url': { type: 'string' },
        profile: { type: 'string' },
        c3pro: { type: 'string' },
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
