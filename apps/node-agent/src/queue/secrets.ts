import { join } from 'node:path'
import { credentialsIn, type CredentialStore, type SecretStore } from '@fhir-outbox/smart-auth'
import { fileSecretStore, keyFromEnvironment, keyFromFile } from '@fhir-outbox/smart-auth/node'

/** The environment variable that brings the key from outside the home directory. */
const keyVariable = 'FHIR_OUTBOX_SECRETS_KEY'

/**
 * Registrations and logins of one home directory, each file sealed. The key comes from the environment when it is set
 * there, so that a copy of the directory is worth nothing; else from a file beside them, made on first use.
 */
export function secretStore(directory: string): SecretStore {
  const folder = join(directory, 'secrets')
  const fromEnvironment = process.env[keyVariable]
  return fileSecretStore({
    directory: folder,
    key:
      fromEnvironment === undefined || fromEnvironment === ''
        ? keyFromFile(join(folder, 'key'))
        : keyFromEnvironment(keyVariable),
  })
}

/** The credentials of one registration in that store. */
export function storedCredentials(directory: string, name: string): CredentialStore {
  return credentialsIn(secretStore(directory), name)
}
