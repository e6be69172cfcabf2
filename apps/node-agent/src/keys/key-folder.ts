import { mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  generateRecipient,
  importRecipient,
  type GenerateRecipientOptions,
  type GeneratedRecipient,
  type Recipient,
} from '@fhir-outbox/envelope-crypto'
import { AgentError } from '../agent-error.js'
import { makeDirectory } from '../make-directory.js'
import { writeWhole } from './write-whole.js'

// The keys of a receiver: a folder for each key id, laid out as C3-PRO's consumer looks for its private keys, and a
// jwks.json with the public keys, oldest first, for senders to fetch.

const files = {
  certificate: 'certificate.pem',
  certificateDer: 'certificate.der',
  privateKey: 'private-key.pem',
  /** Where C3-PRO's consumer looks: PKCS#8, DER, without passphrase. */
  c3ProPrivateKey: 'private-c3pro.der',
  publicJwk: 'public.jwk.json',
} as const

const jwksFile = 'jwks.json'

/** A key of the folder. */
export interface KeyInFolder {
  readonly keyId: string
  /** What it was made for. */
  readonly suite: 'jwe' | 'c3-pro'
  /** Undefined when its certificate cannot be used now. */
  readonly recipient?: Recipient
  /** Why not, by code. */
  readonly problem?: string
}

/** Makes a key pair with its certificate and adds it to the folder and its jwks.json. */
export async function addKey(folder: string, options: GenerateRecipientOptions): Promise<GeneratedRecipient> {
  const made = await generateRecipient(options)
  const home = join(folder, made.keyId)
  await makeDirectory(folder)
  await makeHome(home, made.keyId, folder)
  // The private key first: a certificate that senders have got hold of must never be without it.
  await writeWhole(join(home, files.privateKey), made.privateKeyPkcs8Pem, 0o600)
  if (options.suite === 'c3-pro' && options.passphrase === undefined) {
    await writeWhole(join(home, files.c3ProPrivateKey), derOf(made.privateKeyPkcs8Pem), 0o600)
  }
  await writeWhole(join(home, files.certificateDer), made.certificateDer, 0o644)
  await writeWhole(join(home, files.publicJwk), `${JSON.stringify(made.publicJwk, undefined, 2)}\n`, 0o644)
  await writeWhole(join(home, files.certificate), made.certificatePem, 0o644)
  const keys = [...(await publishedKeys(folder)), made.publicJwk]
  await writeWhole(join(folder, jwksFile), `${JSON.stringify({ keys }, undefined, 2)}\n`, 0o644)
  return made
}

/** A directory that was not there: two processes never share one, and no key takes the place of another. */
async function makeHome(home: string, keyId: string, folder: string): Promise<void> {
  try {
    await mkdir(home, { mode: 0o700 })
  } catch (cause) {
    if (Reflect.get(Object(cause), 'code') !== 'EEXIST') throw cause
    throw new AgentError('ERR_BAD_CONFIG', `There is a key "${keyId}" in ${folder} already.`, {
      hint: 'Give the new one another --key-id, or none. Every key stays as long as something is sealed for it.',
      cause,
    })
  }
}

/** The keys of the folder, oldest first. A key that somebody took out of jwks.json is not published any more. */
export async function keysIn(folder: string): Promise<readonly KeyInFolder[]> {
  const published = (await publishedKeys(folder)).map((jwk) => String(Reflect.get(Object(jwk), 'kid')))
  const entries = await readdir(folder, { withFileTypes: true })
  const keys = await Promise.all(
    entries.filter((entry) => entry.isDirectory()).map(({ name }) => keyAt(folder, name)),
  )
  return keys
    .filter((key) => key !== undefined)
    .toSorted((a, b) => published.indexOf(a.keyId) - published.indexOf(b.keyId))
}

async function keyAt(folder: string, keyId: string): Promise<KeyInFolder | undefined> {
  const home = join(folder, keyId)
  const [certificate, jwk] = await Promise.all([
    readIfThere(join(home, files.certificate)),
    readIfThere(join(home, files.publicJwk)),
  ])
  if (certificate === undefined || jwk === undefined) return undefined
  const suite = algOf(join(home, files.publicJwk), jwk) === 'RSA-OAEP' ? 'c3-pro' : 'jwe'
  try {
    return { keyId, suite, recipient: await importRecipient(certificate, { keyId }) }
  } catch (error) {
    return { keyId, suite, problem: String(error instanceof Error ? Reflect.get(error, 'code') : error) }
  }
}

function algOf(path: string, jwk: string): unknown {
  const value = parsed(path, jwk)
  return typeof value === 'object' && value !== null ? Reflect.get(value, 'alg') : undefined
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === 'ENOENT') return undefined
    throw error
  }
}

async function publishedKeys(folder: string): Promise<readonly unknown[]> {
  const path = join(folder, jwksFile)
  const value = parsed(path, (await readIfThere(path)) ?? '{}')
  const keys: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'keys') : undefined
  return Array.isArray(keys) ? keys : []
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new AgentError('ERR_BAD_DIRECTORY', `${path} is not JSON.`, {
      hint: 'Restore it from a copy, or put it together from the public.jwk.json of the keys.',
    })
  }
}

function derOf(pem: string): Uint8Array {
  return Buffer.from(pem.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64')
}
