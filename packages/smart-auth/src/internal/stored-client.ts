import type { JWK } from 'jose'
import type { StoredClient } from '../credential-store.js'
import { AuthError } from '../errors.js'
import { isRecord, stringListMember, stringMember, type JsonRecord } from './json.js'
import { omitUndefined } from './omit-undefined.js'

const authMethods = ['private_key_jwt', 'client_secret_basic', 'client_secret_post', 'none'] as const

const profiles = ['smart', 'c3-pro'] as const

function unreadable(reason: string): AuthError {
  return new AuthError('ERR_CREDENTIALS_UNREADABLE', `The stored client credentials ${reason}`, {
    hint: 'Restore them, or clear the store to have a new client registered.',
  })
}

function readKey(value: unknown): StoredClient['key'] {
  if (value === undefined) return undefined
  const known = isRecord(value) ? value : {}
  const { alg, privateJwk, handle } = known
  const kid = stringMember(known, 'kid')
  const ownHandle = handle instanceof CryptoKey && handle.type === 'private' ? handle : undefined
  if (alg !== 'ES384' || kid === undefined) throw unreadable('hold a key that is not understood')
  if (ownHandle !== undefined) return { alg, kid, handle: ownHandle }
  if (!isPrivateKey(privateJwk)) throw unreadable('hold a key that is not understood')
  return { alg, kid, privateJwk }
}

function isPrivateKey(value: unknown): value is JWK & JsonRecord {
  return isRecord(value) && value['kty'] === 'EC' && typeof value['d'] === 'string'
}

/** Checks what a store returned; rejects with ERR_CREDENTIALS_UNREADABLE, never with their content. */
export function parseStoredClient(value: unknown): StoredClient {
  if (!isRecord(value)) throw unreadable('are not an object')
  if (value['version'] !== 1) throw unreadable('have a version that this release does not know')
  const text = (name: string): string | undefined => stringMember(value, name)
  const server = text('server')
  const clientId = text('clientId')
  const authMethod = authMethods.find((method) => method === value['authMethod'])
  const key = readKey(value['key'])
  const clientSecret = text('clientSecret')
  if (server === undefined || clientId === undefined || clientId === '' || authMethod === undefined) {
    throw unreadable('lack the server, the client id or the authentication method')
  }
  const lacking =
    authMethod === 'private_key_jwt'
      ? key === undefined
      : authMethod !== 'none' && (clientSecret ?? '') === ''
  if (lacking) {
    throw unreadable('lack the secret or the key')
  }
  const { registeredAt, replacements, clientSecretExpiresAt } = value
  return omitUndefined({
    version: 1 as const,
    server,
    clientId,
    authMethod,
    clientSecret,
    clientSecretExpiresAt: typeof clientSecretExpiresAt === 'number' ? clientSecretExpiresAt : undefined,
    key,
    scope: text('scope'),
    profile: profiles.find((profile) => profile === value['profile']),
    redirectUris: stringListMember(value, 'redirectUris'),
    registrationClientUri: text('registrationClientUri'),
    registrationAccessToken: text('registrationAccessToken'),
    registeredAt: typeof registeredAt === 'number' ? registeredAt : 0,
    confirmed: value['confirmed'] === true,
    replacements: typeof replacements === 'number' ? replacements : 0,
  })
}
