import { AuthError } from './errors.js'
import { isSameLogin } from './internal/session-record.js'
import { createSession, storedLogin, type SessionOptions, type SessionReference } from './session.js'
import type { TokenSource } from './types.js'

/**
 * The tokens of whoever is logged in, with no request yet; undefined when nobody is. For programs that run for long:
 * when the login they began with needs a person, a later one in its place is used, also that of another person or for
 * another patient. Whoever can log in there decides whose tokens these are; where they must stay those of one person,
 * use `restoreSession`.
 *
 * Errors: `ERR_CREDENTIALS_UNREADABLE`, `ERR_INVALID_OPTIONS`.
 */
export async function storedSession(
  reference: SessionReference,
  options: SessionOptions = {},
): Promise<TokenSource | undefined> {
  const { store } = reference
  const first = await storedLogin(reference)
  if (first === undefined) return undefined
  let current = { login: first, session: createSession(first, store, options) }

  /** What is there now, if it is another login than the one that has failed. */
  async function after(failed: typeof current): Promise<TokenSource | undefined> {
    const login = await storedLogin(reference)
    // Somebody else who asked may have been faster.
    if (current === failed && login !== undefined && !isSameLogin(failed.login, login)) {
      current = { login, session: createSession(login, store, options) }
    }
    return current === failed ? undefined : current.session
  }

  return {
    async getToken(request) {
      const asked = current
      try {
        return await asked.session.getToken(request)
      } catch (error) {
        if (!(error instanceof AuthError) || error.code !== 'ERR_LOGIN_REQUIRED') throw error
        const later = await after(asked)
        if (later === undefined) throw error
        return later.getToken(request)
      }
    },
  }
}
