import { resolve } from 'node:path'
import { AgentError } from '../agent-error.js'
import { given, variableOf, type Environment, type Flags } from './given.js'
import type { AuthConfig, ConfigFile } from './schema.js'

/** How the agent is let in: every flag and variable goes before the same setting of the config file. */
export function authOf(flags: Flags, env: Environment, file: ConfigFile): AuthConfig {
  const over: Over = {
    clientId: given('clientId', flags, env),
    secretFile: pathOf(given('clientSecretFile', flags, env)),
    secret: clientSecretOf(env),
    secretUsed: usesClientSecret(file.encryption?.auth),
    keyFile: pathOf(given('keyFile', flags, env)),
    keyId: given('keyId', flags, env),
    shared: defined({ tokenUrl: given('tokenUrl', flags, env), scope: given('scope', flags, env) }),
  }
  const { auth = { type: 'none' } } = file
  if (flags.register === true) {
    return { ...(auth.type === 'register' ? auth : { type: 'register' }), ...over.shared }
  }
  if (auth.type === 'register' || auth.type === 'receipt') {
    if (over.clientId === undefined) {
      refuseUnused(over.keyFile, over.secretFile)
      return { ...auth, ...over.shared }
    }
    return clientOf({ type: 'none' }, over)
  }
  return clientOf(auth, over)
}

/** The secret itself, which only the environment may hold. */
export function clientSecretOf(env: Environment): string | undefined {
  return variableOf(env, 'FHIR_OUTBOX_CLIENT_SECRET')
}

/** Whether the secret of the environment is for the endpoint of the envelopes. */
function usesClientSecret(auth: AuthConfig | undefined): boolean {
  return auth?.type === 'client-credentials' && auth.clientSecretFile === undefined
}

interface Over {
  readonly clientId: string | undefined
  readonly secretFile: string | undefined
  readonly secret: string | undefined
  /** The secret is not left aside when this client does not take it. */
  readonly secretUsed: boolean
  readonly keyFile: string | undefined
  readonly keyId: string | undefined
  readonly shared: { readonly tokenUrl?: string; readonly scope?: string }
}

type KnownClient = Extract<AuthConfig, { type: 'none' | 'client-credentials' | 'backend-services' }>

/** A client that was registered by hand, or none. */
function clientOf(auth: KnownClient, over: Over): AuthConfig {
  const clientId = over.clientId ?? (auth.type === 'none' ? undefined : auth.clientId)
  if (clientId === undefined) {
    refuseUnused(over.keyFile, over.secretFile ?? (over.secretUsed ? undefined : over.secret))
    return { type: 'none' }
  }
  if (over.keyFile !== undefined && over.secretFile !== undefined) {
    throw badConfig(
      'There is a private key and a client secret.',
      'A client has one of them: leave out --key-file (FHIR_OUTBOX_KEY_FILE) or --client-secret-file.',
    )
  }
  const { tokenUrl, scope } = auth.type === 'none' ? {} : auth
  const shared = { clientId, ...defined({ tokenUrl, scope }), ...over.shared }
  // A client id and a secret are one client, as a file with a secret is: the key of another one is not for it.
  const bySecret = over.secretFile !== undefined || (over.secret !== undefined && over.clientId !== undefined)
  const known = auth.type === 'backend-services' && !bySecret ? auth : undefined
  if (known !== undefined && over.keyFile === undefined && over.secret !== undefined && !over.secretUsed) {
    throw badConfig(
      'There is a client secret in the environment, and a private key in the config file.',
      'Leave out FHIR_OUTBOX_CLIENT_SECRET, or give the client id that it belongs to with FHIR_OUTBOX_CLIENT_ID.',
    )
  }
  const keyFile = over.keyFile ?? known?.keyFile
  if (keyFile !== undefined) {
    return { type: 'backend-services', keyFile, ...defined({ keyId: over.keyId ?? known?.keyId }), ...shared }
  }
  const inFile = auth.type === 'client-credentials' ? auth : undefined
  const secretFile = over.secretFile ?? (over.secret === undefined ? inFile?.clientSecretFile : undefined)
  return {
    type: 'client-credentials',
    ...defined({ clientSecretFile: secretFile, profile: inFile?.profile }),
    ...shared,
  }
}

/** Left aside, they would have the agent write without them. */
function refuseUnused(key: string | undefined, secret: string | undefined): void {
  if (key === undefined && secret === undefined) return
  throw badConfig(
    `There is a ${key === undefined ? 'client secret' : 'private key'} but no client id.`,
    'Give --client-id, FHIR_OUTBOX_CLIENT_ID, or "auth.clientId" in the config file.',
  )
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** The members that are there. */
function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>
}

function pathOf(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path)
}

function badConfig(message: string, hint: string): AgentError {
  return new AgentError('ERR_BAD_CONFIG', message, { hint })
}
