import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  openDataQueue,
  openEncryptedDataQueue,
  type DataQueue,
  type DataQueueOptions,
  type Encryption,
} from '@fhir-outbox/data-queue'
import { createSealer, importRecipient, type Recipient } from '@fhir-outbox/envelope-crypto'
import { createFhirClient, type FhirClient } from '@fhir-outbox/fhir-client'
import { keepAliveSender } from '@fhir-outbox/fhir-client/node'
import { memoryStorage, sealedNoteName, sealStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import type { TokenSource } from '@fhir-outbox/smart-auth'
import { openFsStorage } from '@fhir-outbox/storage-fs'
import { AgentError } from '../agent-error.js'
import type { Home, Settings } from '../config/load.js'
import type { AuthConfig, EncryptionConfig } from '../config/schema.js'
import { makeDirectory } from '../make-directory.js'
import { describeError } from '../output/console.js'
import { cipherOf } from './sealing.js'
import { tokenSource } from './tokens.js'

/** The folder that storage-fs owns. */
export function queueFolder({ directory }: Pick<Home, 'directory'>): string {
  return join(directory, 'queue')
}

/** The queue that the settings describe, on its directory. Rejects with `ERR_STORAGE_LOCKED` when it is taken. */
export async function openQueue(settings: Settings): Promise<DataQueue> {
  // Everything that can be wrong with the settings is found before the directory is touched.
  const compose = await prepare(settings)
  return compose(await openStorage(settings))
}

/** The stored queue alone, to look at. */
export async function openStorage(home: Home): Promise<QueueStorage> {
  const { sealing } = home
  // A key that cannot be had is found before the directory is touched.
  const cipher = sealing && (await cipherOf(sealing))
  await makeDirectory(queueFolder(home))
  const storage = await openFsStorage({
    directory: queueFolder(home),
    ...(home.clock === undefined ? {} : { now: home.clock.now }),
  })
  if (cipher !== undefined) return sealStorage(storage, cipher)
  if ((await storage.notes.get(sealedNoteName)) === undefined) return storage
  await storage.close()
  // Whatever came now would stand in clear among what is sealed.
  throw new AgentError(
    'ERR_BAD_SEALING_KEY',
    `${queueFolder(home)} is sealed, and the settings have no key.`,
    {
      hint: 'Add "sealing" to the config file, with the key that the queue was sealed with.',
    },
  )
}

/** Whether there is no queue yet: nothing is to be made by whoever only looks. */
export async function isMissing(home: Home): Promise<boolean> {
  try {
    await stat(queueFolder(home))
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

/** The same decisions without a directory: for `--dry-run`. Nothing can be sent from it by accident. */
export async function openPreview(settings: Settings): Promise<DataQueue> {
  const compose = await prepare(settings)
  const { sealing } = settings
  const storage = memoryStorage()
  return compose(sealing === undefined ? storage : sealStorage(storage, await cipherOf(sealing)))
}

async function prepare(settings: Settings): Promise<(storage: QueueStorage) => DataQueue> {
  const { server, auth, key, canaries, transactions, clock } = settings
  const { client: fhir, tokens } = await clientFor(server, auth, settings, 'client')
  const encryption =
    settings.encryption === undefined ? undefined : await encryptionFor(settings.encryption, settings)
  const shared: Omit<DataQueueOptions, 'storage'> = {
    fhir,
    key,
    // What the token may do counts in the choice of plans.
    ...(tokens === undefined ? {} : { tokens }),
    ...(canaries === undefined ? {} : { canaries }),
    ...(transactions === undefined ? {} : { transactions }),
    ...(clock === undefined
      ? {}
      : { environment: { now: clock.now, wallClock: clock.now, setTimer: clock.setTimer } }),
  }
  return (storage) =>
    encryption === undefined
      ? openDataQueue({ ...shared, storage })
      : openEncryptedDataQueue({ ...shared, storage, encryption })
}

interface Connection {
  readonly client: FhirClient
  /** What the client gets its tokens from. */
  readonly tokens?: TokenSource
}

async function clientFor(
  url: string,
  auth: AuthConfig,
  settings: Settings,
  name: string,
): Promise<Connection> {
  const { directory, clientSecret } = settings
  const tokens = await tokenSource(auth, {
    url,
    directory,
    name,
    ...(clientSecret === undefined ? {} : { clientSecret }),
  })
  // Its idle connections keep no process alive: there is nothing to close.
  const send = keepAliveSender()
  const using = tokens === undefined ? {} : { tokens }
  return { client: createFhirClient({ baseUrl: url, send, ...using }), ...using }
}

async function encryptionFor(config: EncryptionConfig, settings: Settings): Promise<Encryption> {
  let certificate: Uint8Array
  try {
    certificate = await readFile(config.certificate)
  } catch (cause) {
    throw new AgentError('ERR_UNREADABLE_FILE', `The certificate ${config.certificate} cannot be read.`, {
      hint: 'Check "encryption.certificate" in the config file.',
      cause,
    })
  }
  const recipient = await recipientOf(certificate, config)
  const { types, sealAt, typeInPath, receiverRunsTransactions } = config
  const { client } = await clientFor(config.url, config.auth ?? settings.auth, settings, 'encrypted-client')
  return {
    client,
    sealer:
      config.suite === 'jwe' ? createSealer({ recipient }) : createSealer({ suite: 'c3-pro', recipient }),
    receiver: config.receiver ?? 'keeps-everything',
    ...(sealAt === undefined ? {} : { sealAt }),
    ...(typeInPath === undefined ? {} : { typeInPath }),
    ...(receiverRunsTransactions === undefined ? {} : { receiverRunsTransactions }),
    ...(types === undefined
      ? {}
      : { shouldEncrypt: (resource) => types.includes(String(resource['resourceType'])) }),
  }
}

/** The recipient, or the error with the file it is about. */
async function recipientOf(
  certificate: Uint8Array,
  { certificate: path, keyId }: EncryptionConfig,
): Promise<Recipient> {
  try {
    return await importRecipient(certificate, { keyId })
  } catch (cause) {
    const { code, message, hint } = describeError(cause)
    const aboutSettings = code === 'ERR_INVALID_KEY_ID'
    throw new AgentError(
      aboutSettings ? 'ERR_BAD_CONFIG' : 'ERR_BAD_CERTIFICATE',
      `${aboutSettings ? '"encryption.keyId"' : path}: ${message}`,
      { hint, cause },
    )
  }
}
