import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beginLaunch, type BeginLaunchOptions } from '../begin-launch.js'
import { completeLaunch } from '../complete-launch.js'
import { AuthError } from '../errors.js'
import { abortError } from '../internal/abort.js'
import { longestTimerMs } from '../internal/exchange.js'
import type { Session, SessionOptions } from '../session.js'

export interface LoopbackLoginOptions
  extends Omit<BeginLaunchOptions, 'redirectUri' | 'launchUrl' | 'allowedServers'>, SessionOptions {
  /** Shows the person where to log in: opens a browser, or prints the address. */
  readonly open: (url: string) => void | Promise<void>
  /** Port on 127.0.0.1. Default: any; a server that compares ports needs the registered one. */
  readonly port?: number
  /** Path of the redirect address, as registered. Default: a new random one, which suits a new registration. */
  readonly path?: string
  /** How long the person may take, in milliseconds. Default 300,000. */
  readonly waitMs?: number
}

const donePage =
  '<!doctype html><meta charset="utf-8"><title>Signed in</title><p>Done. You can close this window.</p>'
const failedPage =
  '<!doctype html><meta charset="utf-8"><title>Not signed in</title><p>The sign-in did not succeed. The command line says why. You can close this window.</p>'

/**
 * A person's login for a command line (RFC 8252, section 7.3): listens on 127.0.0.1 for the one answer, completes the
 * login, and stops listening. Resolves with the session, which is in the store then.
 *
 * Errors: those of `beginLaunch` and `completeLaunch`; `ERR_CALLBACK_REFUSED` when nobody came back in time;
 * `ERR_INVALID_OPTIONS` when the port cannot be used or `waitMs` is no time.
 */
export async function loopbackLogin(options: LoopbackLoginOptions): Promise<Session> {
  const waitMs = Math.min(options.waitMs ?? 300_000, longestTimerMs)
  if (!(waitMs > 0)) {
    throw new AuthError('ERR_INVALID_OPTIONS', 'waitMs is not a time', {
      hint: 'Give a positive number of milliseconds.',
    })
  }
  const path = options.path ?? `/${randomBytes(18).toString('base64url')}`
  const answers = expectAnswer(path)
  const server = createServer(answers.handle)
  const port = await listen(server, options.port ?? 0)
  // However this ends, nobody waits on: the timer would keep the process alive.
  const ended = new AbortController()
  const { signal } = options
  const stop = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal])
  try {
    const redirectUri = `http://127.0.0.1:${port}${path}`
    const { url } = await beginLaunch({ ...options, redirectUri, expiresInMs: waitMs })
    const answered = answers.first(waitMs, stop)
    answered.catch(() => undefined)
    // Opening may take until the browser is closed again; that it failed ends the login.
    const opening = Promise.resolve(options.open(url)).then(() => answered)
    opening.catch(() => undefined)
    const { target, reply } = await Promise.race([answered, opening])
    try {
      const session = await completeLaunch({ ...options, callbackUrl: `http://127.0.0.1:${port}${target}` })
      reply(200, donePage)
      return session
    } catch (error) {
      reply(400, failedPage)
      throw error
    }
  } finally {
    ended.abort()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new AuthError('ERR_INVALID_OPTIONS', `Port ${port} of 127.0.0.1 cannot be used`, {
          hint: 'Choose another port.',
          cause,
        }),
      ),
    )
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

interface Answer {
  readonly target: string
  readonly reply: (status: number, page: string) => void
}

/** Takes the first GET for the path and nothing else. */
function expectAnswer(path: string): {
  handle(request: IncomingMessage, response: ServerResponse): void
  first(waitMs: number, signal: AbortSignal | undefined): Promise<Answer>
} {
  let settle: ((answer: Answer) => void) | undefined
  let taken = false
  const arrived = new Promise<Answer>((resolve) => {
    settle = resolve
  })
  const reply = (response: ServerResponse, status: number, page: string): void => {
    response.writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'content-security-policy': "default-src 'none'",
      'x-content-type-options': 'nosniff',
      connection: 'close',
    })
    response.end(page)
  }
  return {
    handle(request, response) {
      const { method, url = '/', headers } = request
      // A page of another site may have this name point here: only the address we gave out is answered.
      const ours = /^127\.0\.0\.1:\d+$/.test(headers.host ?? '')
      const [asked] = url.split('?')
      if (taken || !ours || method !== 'GET' || asked !== path) {
        reply(response, 404, '<!doctype html><title>Not here</title>')
        return
      }
      taken = true
      settle?.({ target: url, reply: (status, page) => reply(response, status, page) })
    },
    async first(waitMs, signal) {
      let timer: NodeJS.Timeout | undefined
      let stop: (() => void) | undefined
      const over = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          reject(
            new AuthError('ERR_CALLBACK_REFUSED', 'Nobody came back from the login in time', {
              hint: 'Log in again.',
            }),
          )
        }, waitMs)
        stop = () => reject(abortError())
        if (signal?.aborted === true) stop()
        signal?.addEventListener('abort', stop, { once: true })
      })
      try {
        return await Promise.race([arrived, over])
      } finally {
        clearTimeout(timer)
        if (stop !== undefined) signal?.removeEventListener('abort', stop)
      }
    },
  }
}
