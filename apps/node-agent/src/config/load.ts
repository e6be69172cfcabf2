import { resolve } from 'node:path'
import envPaths from 'env-paths'
import { AgentError } from '../agent-error.js'
import { authOf, clientSecretOf } from './auth.js'
import { readConfig } from './file.js'
import { given, type Environment, type Flags } from './given.js'
import type {
  AuthConfig,
  CanaryConfig,
  ConfigFile,
  EncryptionConfig,
  LimitsConfig,
  SealingConfig,
} from './schema.js'

export type { Environment, Flags } from './given.js'

/** Settings with every choice made; paths are absolute. */
export interface Settings {
  /** FHIR base URL without trailing slash. */
  readonly server: string
  /** Home of the agent: queue, drop folder, registrations. */
  readonly directory: string
  readonly key: 'identifier' | 'client-id'
  /** What the server is tried out with before the first write; without it, it is not. */
  readonly canaries?: CanaryConfig
  /** When entries that wait share a request; without it, `proven`. */
  readonly transactions?: NonNullable<ConfigFile['transactions']>
  readonly auth: AuthConfig
  readonly encryption?: EncryptionConfig
  /** How the queue is sealed at rest; without it, it is not. */
  readonly sealing?: SealingConfig
  /** How much the queue takes. */
  readonly limits?: LimitsConfig
  /** Only from the environment: a secret on the command line shows in the process list. */
  readonly clientSecret?: string
  /** Time as the queue has it. Default: the machine's. */
  readonly clock?: Clock
}

/** Where the queue has its time from. No setting: whoever runs the command line in their own program gives it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `fn` once after `ms`. Returns the way to cancel. */
  setTimer(fn: () => void, ms: number): () => void
}

/** What is needed to look at the queue: no server. */
export type Home = Pick<Settings, 'directory' | 'sealing' | 'limits' | 'clock'>

/** Flags go before the environment, the environment before the file. Throws `ERR_BAD_CONFIG` with the place and the way out. */
export async function loadSettings(flags: Flags, env: Environment): Promise<Settings> {
  const file = await configFile(flags, env)
  const server = given('server', flags, env) ?? file.server
  if (server === undefined) {
    throw badConfig(
      'No FHIR server is set.',
      'Use --server URL, FHIR_OUTBOX_SERVER, or "server" in the config file.',
    )
  }
  const clientSecret = clientSecretOf(env)
  return {
    server: checkedUrl(server),
    ...homeIn(flags, env, file),
    key: file.key ?? 'identifier',
    ...canariesOf(file),
    ...(file.transactions === undefined ? {} : { transactions: file.transactions }),
    auth: authOf(flags, env, file),
    ...(file.encryption === undefined ? {} : { encryption: file.encryption }),
    ...(clientSecret === undefined ? {} : { clientSecret }),
  }
}

/** The part of the settings that needs no server: where the queue is, and how it is sealed. */
export async function loadHome(flags: Flags, env: Environment): Promise<Home> {
  return homeIn(flags, env, await configFile(flags, env))
}

function canariesOf({ canaries = false }: ConfigFile): Pick<Settings, 'canaries'> {
  return canaries === false ? {} : { canaries: canaries === true ? {} : canaries }
}

function homeIn(flags: Flags, env: Environment, { directory, sealing, limits }: ConfigFile): Home {
  const path = given('directory', flags, env) ?? directory
  return {
    directory: resolve(path ?? envPaths('fhir-outbox', { suffix: '' }).data),
    ...(sealing === undefined ? {} : { sealing }),
    ...(limits === undefined ? {} : { limits }),
  }
}

async function configFile(flags: Flags, env: Environment): Promise<ConfigFile> {
  const path = given('config', flags, env)
  return path === undefined ? {} : readConfig(resolve(path))
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const hint = 'Give its base URL, e.g. https://fhir.example.org/r4, without query, user name and password.'
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    const shown = text.includes('@') ? 'What is set as server' : `"${text.replace(/[?#].*$/s, '…')}"`
    throw badConfig(`${shown} is no URL of a FHIR server.`, hint)
  }
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw badConfig(`The URL of the FHIR server at ${url.host} has parts that do not belong there.`, hint)
  }
  return url.href.replace(/\/+$/, '')
}

function badConfig(message: string, hint: string): AgentError {
  return new AgentError('ERR_BAD_CONFIG', message, { hint })
}
