import { AgentError } from '../agent-error.js'

/** Settings of the command line. */
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

/** What a setting is called: as a flag, and in the environment. */
const names = {
  config: ['--config', 'FHIR_OUTBOX_CONFIG'],
  server: ['--server', 'FHIR_OUTBOX_SERVER'],
  directory: ['--directory', 'FHIR_OUTBOX_DIRECTORY'],
  clientId: ['--client-id', 'FHIR_OUTBOX_CLIENT_ID'],
  clientSecretFile: ['--client-secret-file', undefined],
  keyFile: ['--key-file', 'FHIR_OUTBOX_KEY_FILE'],
  keyId: ['--key-id', undefined],
  tokenUrl: ['--token-url', 'FHIR_OUTBOX_TOKEN_URL'],
  scope: ['--scope', 'FHIR_OUTBOX_SCOPE'],
} as const

/** The flag, or else the variable of the environment. Throws `ERR_BAD_CONFIG` for an empty one. */
export function given(setting: keyof typeof names, flags: Flags, env: Environment): string | undefined {
  const [flag, variable] = names[setting]
  const value = flags[setting]
  if (value !== undefined) return notEmpty(value, flag)
  return variable === undefined ? undefined : variableOf(env, variable)
}

/** A variable of the environment. Throws `ERR_BAD_CONFIG` when it is empty. */
export function variableOf(env: Environment, name: string): string | undefined {
  const value = env[name]
  return value === undefined ? undefined : notEmpty(value, name)
}

/** As a path, nothing would be the working directory, and as a config file no encryption. */
function notEmpty(value: string, name: string): string {
  if (value !== '') return value
  throw new AgentError('ERR_BAD_CONFIG', `${name} is empty.`, { hint: 'Give it a value, or leave it out.' })
}
