import { readFile } from 'node:fs/promises'
import { AgentError } from '../agent-error.js'
import { systemWords } from '../system-words.js'

/** The text of a file that a setting names, such as a key. Rejects with `ERR_BAD_CONFIG`. */
export async function textOfSetting(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new AgentError(
      'ERR_BAD_CONFIG',
      `The file with the ${what}, ${path}, cannot be read: ${systemWords(cause)}.`,
      { hint: 'Check the path and the permissions.', cause },
    )
  }
}
