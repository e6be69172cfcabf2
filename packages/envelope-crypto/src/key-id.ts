import { EnvelopeError } from './errors.js'

const longest = 128
const allowed = /^[A-Za-z0-9_-](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?$/
/** Names of devices on Windows, also with something behind a dot: opening one may wait for ever. */
const device = /^(?:con|prn|aux|nul|(?:com|lpt)\d)(?:\.|$)/i

/**
 * Whether a text may be a key id: 1 to 128 letters, digits, `-`, `_` and `.`, no dot at either end, no two dots in a row,
 * and no name of a Windows device. Receivers are known to build file paths from key ids, so nothing that means something
 * in a path is let through.
 */
export function isKeyId(text: string): boolean {
  return text.length <= longest && allowed.test(text) && !text.includes('..') && !device.test(text)
}

/** Throws ERR_EMPTY_KEY_ID or ERR_INVALID_KEY_ID; returns the id unchanged. */
export function requireKeyId(keyId: unknown): string {
  if (keyId === undefined || keyId === '') {
    throw new EnvelopeError('ERR_EMPTY_KEY_ID', 'The key id is empty.', {
      hint: 'Pass the id under which the receiver keeps the private key, for example a UUID.',
    })
  }
  if (typeof keyId !== 'string' || !isKeyId(keyId)) {
    throw new EnvelopeError(
      'ERR_INVALID_KEY_ID',
      'The key id has a character, a length or a form that is not allowed.',
      {
        hint: 'Use 1 to 128 letters, digits, "-", "_" and "." (not first, not last, not doubled), for example a UUID.',
      },
    )
  }
  return keyId
}
