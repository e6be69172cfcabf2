import {
  createRecordCipher,
  createSealer,
  generateRecipient,
  importRecipient,
} from '@fhir-outbox/envelope-crypto'
import type { Recipient } from '@fhir-outbox/envelope-crypto'
import type { Candidate } from '../measure.js'

/** A candidate that keeps nothing: there is nothing to close. */
export function worker(name: string, open: () => Promise<() => Promise<void> | void>): Candidate {
  return {
    name,
    powerSafe: false,
    open: async () => ({ operation: await open(), close: () => undefined }),
  }
}

export async function newRecipient(bits: 2048 | 3072): Promise<Recipient> {
  const { keyId, certificatePem } = await generateRecipient({ bits })
  return await importRecipient(certificatePem, { keyId })
}

export function sealing(suite: 'c3-pro' | 'jwe', recipient: Recipient, plaintext: Uint8Array): Candidate {
  const sealer = suite === 'jwe' ? createSealer({ recipient }) : createSealer({ suite: 'c3-pro', recipient })
  return worker(`envelope-crypto ${suite}`, async () => async () => {
    await sealer.seal(plaintext)
  })
}

export function records(plaintext: Uint8Array): Candidate {
  const cipher = createRecordCipher({ keyId: 'bench', key: crypto.getRandomValues(new Uint8Array(32)) })
  const associated = new TextEncoder().encode('store, entry')
  return worker('record cipher', async () => async () => {
    await cipher.encrypt(plaintext, associated)
  })
}
