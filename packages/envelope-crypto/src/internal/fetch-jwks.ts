import { EnvelopeError } from '../errors.js'
import { throwIfAborted } from './abort.js'

const mostBytes = 256 * 1024
const mostKeys = 100
const timeoutMs = 10_000

type Jwk = Readonly<Record<string, unknown>>

/**
 * The keys of a JWKS. Nothing but https (http from this machine only), no redirects, at most 256 KiB, 100 keys and 10
 * seconds. Rejects with ERR_INVALID_OPTION (the URL), ERR_KEYS_UNREACHABLE, ERR_TOO_LARGE or ERR_INVALID_RECIPIENT.
 */
export async function fetchJwks(
  url: URL,
  options: { readonly fetch?: typeof fetch; readonly signal?: AbortSignal },
): Promise<readonly Jwk[]> {
  requireSafe(url)
  const text = await getText(url, options)
  const keys = keysOf(text)
  if (keys.length > mostKeys) throw tooLarge(`more than ${mostKeys} keys`)
  return keys
}

async function getText(
  url: URL,
  options: { readonly fetch?: typeof fetch; readonly signal?: AbortSignal },
): Promise<string> {
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout])
  const given = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  try {
    throwIfAborted(options.signal)
    // A fetch of the caller's need not listen to the signal.
    return await Promise.race([getBounded(options.fetch ?? fetch, url, signal), given])
  } catch (cause) {
    throwIfAborted(options.signal)
    throw cause instanceof EnvelopeError ? cause : unreachable('The JWKS could not be fetched.', cause)
  }
}

async function getBounded(get: typeof fetch, url: URL, signal: AbortSignal): Promise<string> {
  const headers = { accept: 'application/jwk-set+json, application/json' }
  const response = await get(url, { redirect: 'error', credentials: 'omit', headers, signal })
  // Not every fetch knows `redirect`.
  if (!response.ok || response.redirected) {
    await response.body?.cancel()
    const what = response.ok ? 'after a redirect' : `with status ${response.status}`
    throw unreachable(`The JWKS was answered ${what}.`)
  }
  return await readBounded(response)
}

async function readBounded(response: Response): Promise<string> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    length += value.length
    if (length > mostBytes) {
      await reader.cancel()
      throw tooLarge(`more than ${mostBytes} bytes`)
    }
    text += decoder.decode(value, { stream: true })
  }
}

function keysOf(text: string): readonly Jwk[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw malformed()
  }
  const keys: unknown = isRecord(parsed) ? parsed['keys'] : undefined
  if (!Array.isArray(keys)) throw malformed()
  return keys.filter(isRecord)
}

function requireSafe(url: URL): void {
  // fetch would refuse it as well, and say the password.
  if (url.username !== '' || url.password !== '') {
    throw new EnvelopeError('ERR_INVALID_OPTION', 'The URL of the JWKS has a user name or password in it.', {
      hint: 'Public keys need none; pass a fetch that authenticates if the server asks for it all the same.',
    })
  }
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  if (url.protocol === 'https:' || (url.protocol === 'http:' && loopback)) return
  throw new EnvelopeError('ERR_INVALID_OPTION', 'The URL of the JWKS is not https.', {
    hint: 'Whoever can change the answer can read what is sealed: use https.',
  })
}

function isRecord(value: unknown): value is Jwk {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(): EnvelopeError {
  return new EnvelopeError('ERR_INVALID_RECIPIENT', 'The answer is not a JWKS: there is no list `keys`.', {
    hint: 'Check the URL; it must answer with a JSON Web Key Set (RFC 7517, section 5).',
  })
}

function unreachable(message: string, cause?: unknown): EnvelopeError {
  return new EnvelopeError('ERR_KEYS_UNREACHABLE', message, {
    hint: 'Try again later, or check the URL; redirects are not followed.',
    cause,
  })
}

function tooLarge(what: string): EnvelopeError {
  return new EnvelopeError('ERR_TOO_LARGE', `The JWKS has ${what}.`, {
    hint: 'Check the URL: a receiver publishes a handful of keys.',
  })
}
