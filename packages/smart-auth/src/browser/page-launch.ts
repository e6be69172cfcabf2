import { beginLaunch, type BeginLaunchOptions } from '../begin-launch.js'
import { completeLaunch, type CompleteLaunchOptions } from '../complete-launch.js'
import { answerParameters, tokenParameters } from '../internal/callback.js'
import type { Session } from '../session.js'

/**
 * Begins a login and leaves this page for the server's: by a form when the server takes one, else by its address.
 * Resolves only if the browser stays.
 *
 * Errors: those of `beginLaunch`; nothing has been left then.
 */
export async function leaveForLogin(options: BeginLaunchOptions): Promise<void> {
  const { url, form } = await beginLaunch(options)
  if (form === undefined) {
    location.assign(url)
    return
  }
  const element = document.createElement('form')
  element.method = 'POST'
  element.action = form.action
  element.hidden = true
  for (const [name, value] of Object.entries(form.fields)) {
    const input = document.createElement('input')
    input.type = 'hidden'
    input.name = name
    input.value = value
    element.append(input)
  }
  document.body.append(element)
  element.submit()
}

/**
 * Completes the login whose answer is in the address of this page; undefined when there is none, as on any other visit
 * and after a reload. Code and state are taken out of the address, and out of the history, before anything else
 * happens.
 *
 * Errors: those of `completeLaunch`.
 *
 * @example
 * const session = (await returnFromLogin({ store })) ?? (await restoreSession({ store, fhirBaseUrl }))
 */
export async function returnFromLogin(
  options: Omit<CompleteLaunchOptions, 'callbackUrl'>,
): Promise<Session | undefined> {
  const callbackUrl = takeCallback()
  return callbackUrl === undefined ? undefined : completeLaunch({ ...options, callbackUrl })
}

function takeCallback(): string | undefined {
  const url = new URL(location.href)
  const fragment = new URLSearchParams(url.hash.slice(1))
  const leaked = tokenParameters.some((name) => fragment.has(name) || url.searchParams.has(name))
  const answered =
    url.searchParams.has('state') && (url.searchParams.has('code') || url.searchParams.has('error'))
  if (!leaked && !answered) return undefined
  const clean = new URL(url)
  for (const name of [...answerParameters, ...tokenParameters, 'response']) clean.searchParams.delete(name)
  if (tokenParameters.some((name) => fragment.has(name))) clean.hash = ''
  history.replaceState(history.state, '', clean.href)
  return url.href
}
