import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { AgentError } from '../agent-error.js'
import { systemWords } from '../system-words.js'

/** The text of an input, without a byte order mark. Throws `ERR_BAD_INPUT` when it is not UTF-8. */
export function textOf(source: string, bytes: Uint8Array): string {
  try {
    // Not lenient: every letter that is none in UTF-8 would arrive as another one.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    const tooLong = (cause as { code?: unknown }).code === 'ERR_STRING_TOO_LONG'
    throw tooLong
      ? new AgentError('ERR_BAD_INPUT', `${source} is too large to be read at once.`, {
          hint: 'Split it into several files.',
          cause,
        })
      : new AgentError('ERR_BAD_INPUT', `${source} is not UTF-8 text.`, { hint: 'Save it as UTF-8.', cause })
  }
}

/** The text of a file. Rejects with `ERR_UNREADABLE_FILE`, or as `textOf` does. */
export async function textOfFile(path: string): Promise<string> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw new AgentError('ERR_UNREADABLE_FILE', `${path} cannot be read: ${systemWords(cause)}.`, {
      hint: 'Check the path and the permissions; "-" reads standard input.',
      cause,
    })
  }
  return textOf(path, bytes)
}

/** The text of a stream, to its end. */
export async function textOfStream(source: string, stream: NodeJS.ReadableStream): Promise<string> {
  return textOf(source, await buffer(stream))
}
