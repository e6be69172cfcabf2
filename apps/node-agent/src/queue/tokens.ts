import {
  appStoreReceipt,
  backendServices,
  clientCredentials,
  dynamicClient,
  storedSession,
  type DynamicClient,
  type TokenSource,
} from '@fhir-outbox/smart-auth'
import { AgentError } from '../agent-error.js'
import type { AuthConfig } from '../config/schema.js'
import { describeError } from '../output/console.js'
import { secretStore, storedCredentials } from './secrets.js'
import { textOfSetting } from './setting-file.js'
import { signingKey } from './signing-key.js'

/** What a token source is made for. */
export interface TokenTarget {
  /** Base URL of the server that gets the token. */
  readonly url: string
  /** Where dynamic registrations are kept. */
  readonly directory: string
  /** Name of the registration, e.g. `client`. */
  readonly name: string
  readonly clientSecret?: string
}

const defaultScope = 'system/*.*'

/** The settings behind the options of the token sources, for messages. */
const settingNames: Readonly<Record<string, string>> = {
  tokenEndpoint: 'The token URL (--token-url)',
  registrationEndpoint: 'The registration URL (auth.registrationUrl)',
  fhirBaseUrl: 'The server URL',
  clientId: 'The client id (--client-id)',
  kid: 'The key id (--key-id)',
}

/** The name of the client that sends envelopes, whose server is another one. */
export const encryptedClient = 'encrypted-client'
const encryptedNames: Readonly<Record<string, string>> = { fhirBaseUrl: '"encryption.url"' }

/**
 * The token source a config asks for; `undefined` for an open server. Nothing is requested yet.
 * Rejects with `ERR_BAD_CONFIG` naming the setting or the file, or with `ERR_INVALID_KEY`.
 */
export async function tokenSource(auth: AuthConfig, target: TokenTarget): Promise<TokenSource | undefined> {
  try {
    return await sourceOf(auth, target)
  } catch (cause) {
    const { code, message, hint } = describeError(cause)
    if (code !== 'ERR_INSECURE_URL' && code !== 'ERR_INVALID_OPTIONS') throw cause
    const names = { ...settingNames, ...(target.name === encryptedClient ? encryptedNames : {}) }
    const named = message.replace(/^\w+/, (name) => names[name] ?? name)
    throw new AgentError('ERR_BAD_CONFIG', named, { hint, cause })
  }
}

async function sourceOf(auth: AuthConfig, target: TokenTarget): Promise<TokenSource | undefined> {
  switch (auth.type) {
    case 'none':
      // A person may have logged in at this server; the stored login is used when there is one, and once that has
      // ended, the next one: whoever logs in at this home decides that the queue is sent with it.
      // Nobody watches: a refresh whose answer was lost is tried again, for otherwise the login has ended anyway.
      return storedSession(
        { store: secretStore(target.directory), fhirBaseUrl: target.url },
        { uncertainRefresh: 'resend' },
      )
    case 'client-credentials':
      return clientCredentials({
        ...server(target, auth.tokenUrl),
        clientId: auth.clientId,
        clientSecret: await secretOf(auth.clientSecretFile, target.clientSecret),
        ...(auth.scope === undefined ? {} : { scope: auth.scope }),
        ...(auth.profile === undefined ? {} : { profile: auth.profile }),
      })
    case 'backend-services': {
      return backendServices({
        ...server(target, auth.tokenUrl),
        ...(await signingKey(auth.keyFile)),
        clientId: auth.clientId,
        ...(auth.keyId === undefined ? {} : { kid: auth.keyId }),
        scope: auth.scope ?? defaultScope,
      })
    }
    case 'register':
    case 'receipt':
      return registeringClient(auth, target)
  }
}

/** The client that registers itself, by a key of its own or by receipt. */
export async function registeringClient(auth: AuthConfig, target: TokenTarget): Promise<DynamicClient> {
  if (auth.type !== 'register' && auth.type !== 'receipt') {
    throw new AgentError('ERR_BAD_CONFIG', 'The settings name a client that is registered already.', {
      hint: 'Remove the client id from the settings to have this gateway register itself.',
    })
  }
  const common = {
    ...server(target, auth.tokenUrl),
    credentials: storedCredentials(target.directory, target.name),
    clientName: auth.clientName ?? 'FHIR Outbox',
    scope: auth.scope ?? defaultScope,
  }
  if (auth.type === 'register') {
    const { registrationUrl } = auth
    return dynamicClient({
      ...common,
      ...(registrationUrl === undefined ? {} : { registrationEndpoint: registrationUrl }),
      registration: 'key',
    })
  }
  const { receiptFile, antispamFile } = auth
  return dynamicClient({
    ...common,
    registrationEndpoint: auth.registrationUrl,
    registration: appStoreReceipt({
      receipt: () => textOfSetting(receiptFile, 'receipt'),
      sandbox: auth.sandbox ?? false,
      ...(antispamFile === undefined
        ? {}
        : { antispam: async () => (await textOfSetting(antispamFile, 'antispam secret')).trim() }),
    }),
  })
}

function server(
  { url }: TokenTarget,
  tokenUrl: string | undefined,
): { tokenEndpoint: string; resourceOrigins: string[] } | { fhirBaseUrl: string } {
  return tokenUrl === undefined
    ? { fhirBaseUrl: url }
    : { tokenEndpoint: tokenUrl, resourceOrigins: [new URL(url).origin] }
}

async function secretOf(file: string | undefined, fromEnvironment: string | undefined): Promise<string> {
  if (file !== undefined) return (await textOfSetting(file, 'client secret')).trim()
  if (fromEnvironment !== undefined) return fromEnvironment
  throw new AgentError('ERR_BAD_CONFIG', 'There is a client id but no client secret.', {
    hint: 'Set FHIR_OUTBOX_CLIENT_SECRET, or use --client-secret-file or --key-file.',
  })
}
