import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import envPaths from 'env-paths'
import * as v from 'valibot'
import { AgentError } from '../agent-error.js'
import {
  configSchema,
  type AuthConfig,
  type CanaryConfig,
  type ConfigFile,
  type EncryptionConfig,
  type SealingConfig,
} from './schema.js'

/** Where settings come from, strongest first: flags, environment, file, defaults. */
export interface Flags {
  readonly config?: string
  readonly server?: string
  readonly directory?: string
  readonly clientId?: string
  readonly clientSecretFile?: string
  readonly keyFile?: string
  readonly keyId?: string
  readonly tokenUrl?: string
  readonly scope?: string
  readonly register?: boolean
}

export type Environment = Readonly<Record<string, string | undefined>>

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
export type Home = Pick<Settings, 'directory' | 'sealing' | 'clock'>

/** Throws `ERR_BAD_CONFIG` or `ERR_UNREADABLE_FILE` with the place and the way out. */
export async function loadSettings(flags: Flags, env: Environment): Promise<Settings> {
  const file = await configFile(flags, env)
  const server = flags.server ?? env['FHIR_OUTBOX_SERVER'] ?? file.server
  if (server === undefined) {
    throw badConfig(
      'No FHIR server is set.',
      'Use --server URL, FHIR_OUTBOX_SERVER, or "server" in the config file.',
    )
  }
  const clientSecret = env['FHIR_OUTBOX_CLIENT_SECRET']
  return {
    server: checkedUrl(server),
    directory: homeOf(flags, env, file),
    key: file.key ?? 'identifier',
    ...canariesOf(file),
    ...(file.transactions === undefined ? {} : { transactions: file.transactions }),
    auth: authOf(flags, env, file),
    ...(file.encryption === undefined ? {} : { encryption: file.encryption }),
    ...(file.sealing === undefined ? {} : { sealing: file.sealing }),
    ...(clientSecret === undefined ? {} : { clientSecret }),
  }
}

/** The part of the settings that needs no server: where the queue is, and how it is sealed. */
export async function loadHome(flags: Flags, env: Environment): Promise<Home> {
  const file = await configFile(flags, env)
  return {
    directory: homeOf(flags, env, file),
    ...(file.sealing === undefined ? {} : { sealing: file.sealing }),
  }
}

function canariesOf({ canaries = false }: ConfigFile): Pick<Settings, 'canaries'> {
  return canaries === false ? {} : { canaries: canaries === true ? {} : canaries }
}

function homeOf(flags: Flags, env: Environment, file: ConfigFile): string {
  const path = flags.directory ?? env['FHIR_OUTBOX_DIRECTORY'] ?? file.directory
  return resolve(path ?? envPaths('fhir-outbox', { suffix: '' }).data)
}

async function configFile(flags: Flags, env: Environment): Promise<ConfigFile> {
  const path = flags.config ?? env['FHIR_OUTBOX_CONFIG']
  return path === undefined ? {} : readConfig(resolve(path))
}

async function readConfig(path: string): Promise<ConfigFile> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new AgentError(
      cause instanceof SyntaxError ? 'ERR_BAD_CONFIG' : 'ERR_UNREADABLE_FILE',
      `The config file ${path} ${cause instanceof SyntaxError ? 'is not JSON' : 'cannot be read'}.`,
      { hint: 'Check the path given by --config or FHIR_OUTBOX_CONFIG.', cause },
    )
  }
  const parsed = v.safeParse(configSchema, value)
  if (!parsed.success) {
    throw badConfig(
      `The config file ${path} is wrong: ${whatIsWrong(parsed.issues[0])}.`,
      'The README of @fhir-outbox/node-agent lists every setting.',
    )
  }
  return absolutePaths(parsed.output, dirname(path))
}

/** Names the setting and what it takes; what was given instead may be a secret. */
function whatIsWrong(issue: v.BaseIssue<unknown>): string {
  const place = v.getDotPath(issue)
  if (issue.expected === 'never') return `there is no setting "${place ?? ''}"`
  if (issue.received === 'undefined') return `"${place ?? ''}" is missing`
  if (issue.type === 'non_empty') return `"${place ?? ''}" must not be empty`
  // A pattern says nothing to a person; its message does.
  if (issue.type === 'regex') return `"${place ?? ''}" must be ${issue.message}`
  return `${place === null ? 'it' : `"${place}"`} must be ${issue.expected ?? 'something else'}`
}

/** Paths in a config file are relative to that file. */
function absolutePaths(file: ConfigFile, base: string): ConfigFile {
  const auth = (config: AuthConfig): AuthConfig => {
    switch (config.type) {
      case 'client-credentials':
        return config.clientSecretFile === undefined
          ? config
          : { ...config, clientSecretFile: resolve(base, config.clientSecretFile) }
      case 'backend-services':
        return { ...config, keyFile: resolve(base, config.keyFile) }
      case 'receipt':
        return {
          ...config,
          receiptFile: resolve(base, config.receiptFile),
          ...(config.antispamFile === undefined ? {} : { antispamFile: resolve(base, config.antispamFile) }),
        }
      default:
        return config
    }
  }
  return {
    ...file,
    ...(file.directory === undefined ? {} : { directory: resolve(base, file.directory) }),
    ...(file.auth === undefined ? {} : { auth: auth(file.auth) }),
    ...(file.encryption === undefined
      ? {}
      : {
          encryption: {
            ...file.encryption,
            certificate: resolve(base, file.encryption.certificate),
            ...(file.encryption.auth === undefined ? {} : { auth: auth(file.encryption.auth) }),
          },
        }),
    ...(file.sealing === undefined ? {} : { sealing: sealing(file.sealing, base) }),
  }
}

function sealing({ older, ...current }: SealingConfig, base: string): SealingConfig {
  const key = ({ keyId, keyFile }: { readonly keyId: string; readonly keyFile: string }) => ({
    keyId,
    keyFile: resolve(base, keyFile),
  })
  return { ...key(current), ...(older === undefined ? {} : { older: older.map(key) }) }
}

function authOf(flags: Flags, env: Environment, file: ConfigFile): AuthConfig {
  const clientId = flags.clientId ?? env['FHIR_OUTBOX_CLIENT_ID']
  const tokenUrl = flags.tokenUrl ?? env['FHIR_OUTBOX_TOKEN_URL']
  const scope = flags.scope ?? env['FHIR_OUTBOX_SCOPE']
  const keyFile = flags.keyFile ?? env['FHIR_OUTBOX_KEY_FILE']
  const shared = {
    ...(tokenUrl === undefined ? {} : { tokenUrl }),
    ...(scope === undefined ? {} : { scope }),
  }
  if (flags.register === true) return { type: 'register', ...shared }
  if (clientId === undefined) return file.auth ?? { type: 'none' }
  if (keyFile !== undefined) {
    return {
      type: 'backend-services',
      clientId,
      keyFile: resolve(keyFile),
      ...(flags.keyId === undefined ? {} : { keyId: flags.keyId }),
      ...shared,
    }
  }
  return {
    type: 'client-credentials',
    clientId,
    ...(flags.clientSecretFile === undefined ? {} : { clientSecretFile: resolve(flags.clientSecretFile) }),
    ...shared,
  }
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
