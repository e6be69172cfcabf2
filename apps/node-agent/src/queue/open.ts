import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  openDataQueue,
  openEncryptedDataQueue,
  type DataQueue,
  type DataQueueOptions,
  type Encryption,
} from '@fhir-outbox/data-queue'
import {
  createSealer,
  importRecipient,
  type Recipient,
  type RecordCipher,
} from '@fhir-outbox/envelope-crypto'
import { createFhirClient, type FhirClient } from '@fhir-outbox/fhir-client'
import { keepAliveSender } from '@fhir-outbox/fhir-client/node'
import {
  memoryStorage,
  noteConflict,
  sealedNoteName,
  sealStorage,
  type NoteStore,
  type QueueStorage,
} from '@fhir-outbox/queue-core'
import type { TokenSource } from '@fhir-outbox/smart-auth'
import { openFsStorage, viewFsStorage } from '@fhir-outbox/storage-fs'
import { AgentError } from '../agent-error.js'
import type { Home, Settings } from '../config/load.js'
import type { AuthConfig, EncryptionConfig } from '../config/schema.js'
import { makeDirectory } from '../make-directory.js'
import { describeError } from '../output/console.js'
import { systemWords } from '../system-words.js'
import { cipherOf } from './sealing.js'
import { encryptedClient, tokenSource } from './tokens.js'

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

/** The stored queue alone, to decide about entries. Rejects with `ERR_STORAGE_LOCKED` when it is taken. */
export async function openStorage(home: Home): Promise<QueueStorage> {
  const { sealing } = home
  // A key that cannot be had is found before the directory is touched.
  const cipher = sealing && (await cipherOf(sealing))
  await makeDirectory(queueFolder(home))
  const storage = await openFsStorage({
    directory: queueFolder(home),
    ...(home.limits === undefined ? {} : { limits: home.limits }),
    ...(home.clock === undefined ? {} : { now: home.clock.now }),
  }).catch((cause: unknown) => {
    throw describeError(cause).code === 'ERR_STORAGE_LOCKED' ? locked(cause) : cause
  })
  return await opened(storage, cipher, home)
}

/** The stored queue as it is at this moment, to look at: changes nothing and is in nobody's way. */
export async function openPicture(home: Home): Promise<QueueStorage> {
  const cipher = home.sealing && (await cipherOf(home.sealing))
  const view = await viewFsStorage(queueFolder(home))
  const isSealed = (await view.notes.get(sealedNoteName)) !== undefined
  // Nothing is in it yet, and sealing would begin with a note.
  if (!isSealed && (await view.stats()).accepted === 0) return view
  // Sealing notes a key that is new to it: in a picture, somebody else was faster, and it goes by what is there.
  const put: NoteStore['put'] = async (_name, _bytes, expected) => {
    throw noteConflict(1, expected)
  }
  return await opened({ ...view, notes: { ...view.notes, put } }, cipher, home)
}

async function opened(
  storage: QueueStorage,
  cipher: RecordCipher | undefined,
  home: Home,
): Promise<QueueStorage> {
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

/** Another process delivers from it: what can be done beside that is what a person wants to know. */
function locked(cause: unknown): AgentError {
  return new AgentError('ERR_STORAGE_LOCKED', describeError(cause).message, {
    hint: 'What only looks works beside it, and "send" hands files over to it; for the rest, stop it first.',
    cause,
  })
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
    throw new AgentError(
      'ERR_BAD_CONFIG',
      `The certificate ${config.certificate} cannot be read: ${systemWords(cause)}.`,
      { hint: 'Check "encryption.certificate" in the config file.', cause },
    )
  }
  const recipient = await recipientOf(certificate, config)
  const { types, sealAt, typeInPath, receiverRunsTransactions } = config
  const { client } = await clientFor(config.url, config.auth ?? settings.auth, settings, encryptedClient)
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
