import { createRecordCipher, type RecordCipher } from '@fhir-outbox/envelope-crypto'
import { keyFromFile } from '@fhir-outbox/envelope-crypto/node'
import { AgentError } from '../agent-error.js'
import type { SealingConfig } from '../config/schema.js'
import { describeError } from '../output/console.js'

/** The cipher that the settings describe, with its current key at hand. Rejects with `ERR_BAD_SEALING_KEY`. */
export async function cipherOf({ keyId, keyFile, older = [] }: SealingConfig): Promise<RecordCipher> {
  try {
    const cipher = createRecordCipher({
      keyId,
      key: keyFromFile(keyFile),
      older: older.map((key) => ({ keyId: key.keyId, key: keyFromFile(key.keyFile) })),
    })
    for (const key of [{ keyFile }, ...older]) await requireKey(key.keyFile)
    return cipher
  } catch (cause) {
    if (cause instanceof AgentError) throw cause
    const { message, hint } = describeError(cause)
    throw new AgentError('ERR_BAD_SEALING_KEY', `"sealing": ${message}`, { hint, cause })
  }
}

async function requireKey(path: string): Promise<void> {
  try {
    await keyFromFile(path)()
  } catch (cause) {
    const { code, message, hint } = describeError(cause)
    const missing = code === 'ENOENT'
    throw new AgentError(
      'ERR_BAD_SEALING_KEY',
      `${path}: ${missing ? 'The key file is not there.' : message}`,
      {
        hint: missing
          ? 'Mount its volume, or make a new one with "fhir-outbox keys generate --records FILE".'
          : hint,
        cause,
      },
    )
  }
}
