/** A part of the app that is loaded later could not be had: no network, and another version of the app by now. */
export class LoadAgainError extends Error {
  override readonly name = 'LoadAgainError'
  readonly code = 'ERR_LOAD_AGAIN'
}

/** What `load` imports. `what` names the part in the message: "the part of the app that seals". */
export async function loadPart<T>(what: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw new LoadAgainError(`${what} could not be had. Load the page again.`, { cause })
  }
}
