import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import {
  keyRing,
  keysInUse,
  type GenerateRecipientOptions,
  type Recipient,
} from '@fhir-outbox/envelope-crypto'
import { createKeyFile } from '@fhir-outbox/envelope-crypto/node'
import { memoryStorage, sealedRecords } from '@fhir-outbox/queue-core'
import { viewFsStorage } from '@fhir-outbox/storage-fs'
import { AgentError } from '../agent-error.js'
import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { addKey, keysIn, type KeyInFolder } from '../keys/key-folder.js'
import { makeDirectory } from '../make-directory.js'
import { report, type Console } from '../output/console.js'
import { isMissing, queueFolder } from '../queue/open.js'
import { systemWords } from '../system-words.js'

/** What `keys generate` and `keys rotate` were told. */
export interface KeyFlags extends Pick<
  GenerateRecipientOptions,
  'suite' | 'bits' | 'curve' | 'days' | 'keyId'
> {
  readonly passphraseFile?: string
}

/** A new key pair for a receiver of envelopes. */
export async function generateKey(
  folder: string,
  { passphraseFile, ...options }: KeyFlags,
  console: Console,
): Promise<ExitCode> {
  const passphrase = passphraseFile === undefined ? undefined : await passphraseIn(passphraseFile)
  const { keyId, publicJwk } = await addKey(folder, {
    ...options,
    ...(passphrase === undefined ? {} : { passphrase }),
  })
  const home = join(folder, keyId)
  report(
    console,
    'key-generated',
    { keyId, alg: publicJwk.alg, directory: home },
    [
      `Key ${keyId} (${publicJwk.alg ?? ''}) is in ${home}.`,
      '  certificate.pem   for the senders, with the key id',
      `  private-key.pem   for the receiver alone${passphrase === undefined ? '; it has no passphrase' : ''}`,
      `  ${join(folder, 'jwks.json')} lists all public keys, to be served over https`,
    ].join('\n'),
  )
  return exitCodes.ok
}

/** A new key of the kind of the newest one, which goes on opening what was sealed for it. */
export async function rotateKey(folder: string, flags: KeyFlags, console: Console): Promise<ExitCode> {
  const newest = (await requireKeys(folder)).at(-1)
  const kind = flags.bits === undefined && flags.curve === undefined ? kindOf(newest?.recipient) : {}
  return await generateKey(folder, { suite: newest?.suite ?? 'jwe', ...kind, ...flags }, console)
}

function kindOf(recipient: Recipient | undefined): Pick<KeyFlags, 'bits' | 'curve'> {
  if (recipient === undefined) return {}
  return recipient.kind === 'EC' ? { curve: recipient.curve } : { bits: rsaBits(recipient.bits) }
}

/** The keys of a receiver, and which one senders should use now. */
export async function showKeys(folder: string, console: Console): Promise<ExitCode> {
  const keys = await requireKeys(folder)
  const recipients = keys.map(({ recipient }) => recipient).filter((recipient) => recipient !== undefined)
  const current = recipients.length === 0 ? undefined : (await keyRing({ recipients }).current()).keyId
  for (const key of keys) {
    const { keyId, recipient, problem } = key
    const facts = recipient && {
      kind: recipient.kind,
      bits: recipient.bits,
      notBefore: recipient.notBefore,
      notAfter: recipient.notAfter,
      fingerprint: recipient.fingerprint,
    }
    report(
      console,
      'key',
      { keyId, current: keyId === current, ...facts, ...(problem === undefined ? {} : { problem }) },
      lineOf(key, keyId === current),
    )
  }
  return exitCodes.ok
}

/** A new key for sealing the queue at rest. */
export async function generateRecordKey(path: string, console: Console): Promise<ExitCode> {
  await makeDirectory(dirname(path))
  const made = await createKeyFile(path).catch((cause: unknown) => {
    throw unusable(path, cause)
  })
  report(
    console,
    'record-key-generated',
    { file: path, made },
    made
      ? `${path} holds a new key. Name it in the config file: "sealing": { "keyId": "…", "keyFile": "…" }, and keep a copy elsewhere: without it the queue cannot be read.`
      : `${path} is there already and was left as it is.`,
  )
  return exitCodes.ok
}

/** How many records of the queue need each key. */
export async function showRecordKeys(home: Home, console: Console): Promise<ExitCode> {
  if (home.sealing === undefined) {
    throw new AgentError('ERR_BAD_CONFIG', 'The queue is not sealed: the config file has no "sealing".', {
      hint: 'Pass the folder of a receiver\'s keys, or --config with a file that has "sealing".',
    })
  }
  const { keyId: current, older = [] } = home.sealing
  const storage = (await isMissing(home)) ? memoryStorage() : await viewFsStorage(queueFolder(home))
  try {
    const counts = await keysInUse(sealedRecords(storage))
    for (const { keyId } of [home.sealing, ...older]) {
      const records = counts.get(keyId) ?? 0
      const use = keyId === current ? 'seals new records' : records === 0 ? 'can be deleted' : 'still needed'
      report(
        console,
        'record-key',
        { keyId, records, current: keyId === current },
        `${keyId}  ${records} records  ${use}`,
      )
    }
  } finally {
    await storage.close()
  }
  return exitCodes.ok
}

async function requireKeys(folder: string): Promise<readonly KeyInFolder[]> {
  let keys: readonly KeyInFolder[] = []
  try {
    keys = await keysIn(folder)
  } catch (cause) {
    if (cause instanceof AgentError) throw cause
    if (Reflect.get(Object(cause), 'code') !== 'ENOENT') throw unusable(folder, cause)
  }
  if (keys.length > 0) return keys
  throw new AgentError('ERR_BAD_DIRECTORY', `There are no keys in ${resolve(folder)}.`, {
    hint: 'Make the first one with "fhir-outbox keys generate".',
  })
}

function unusable(path: string, cause: unknown): AgentError {
  return new AgentError('ERR_BAD_DIRECTORY', `${path} cannot be used: ${systemWords(cause)}.`, {
    hint: 'Check what is at that path and its permissions.',
    cause,
  })
}

async function passphraseIn(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '')
  } catch (cause) {
    throw new AgentError(
      'ERR_BAD_CONFIG',
      `The passphrase file ${path} cannot be read: ${systemWords(cause)}.`,
      { hint: 'Check --passphrase-file.', cause },
    )
  }
}

function rsaBits(bits: number): 2048 | 3072 | 4096 {
  return bits <= 2048 ? 2048 : bits <= 3072 ? 3072 : 4096
}

function lineOf({ keyId, recipient, problem }: KeyInFolder, current: boolean): string {
  if (recipient === undefined) return `${keyId}  ${problem ?? ''}`
  const kind = recipient.kind === 'EC' ? recipient.curve : `RSA ${recipient.bits}`
  const until = recipient.notAfter === undefined ? '' : `until ${recipient.notAfter.slice(0, 10)}  `
  return `${keyId}  ${kind}  ${until}${current ? 'current' : 'kept for opening'}\n  SHA-256 ${recipient.fingerprint}`
}
