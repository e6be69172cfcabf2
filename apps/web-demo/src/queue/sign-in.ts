import { signInProblem } from '../model/sign-in-problem.js'
import type { ServerChoice } from '../platform/server.js'
import { createStore, type Store } from '../platform/store.js'
import { hasLogins } from './login-database.js'
import type { Login } from './logins.js'

/** Where a person's login comes from and goes to; the same in all tabs. */
export interface SignIn {
  /** `undefined`: nobody is signed in. A login that the server has ended stays until somebody signs in or out. */
  readonly login: Store<Login | undefined>
  /** Why the last try to sign in did not work. */
  readonly problem: Store<string | undefined>
  /** This page is where the server has just sent the person back to. */
  readonly returned: boolean
  /** Leaves for the server's sign-in; comes back to this very address. */
  leave(): Promise<void>
  end(): Promise<void>
  /** Withdraws the login at the server behind the app's back, as an administrator there might. */
  withdraw(): Promise<void>
}

/** Whether the address may hold the answer to a sign-in; what it is worth, smart-auth finds out. */
export function mayBeAnswer({ searchParams }: URL): boolean {
  return searchParams.has('state')
}

/** Takes up the login of an earlier visit, or completes the one whose answer is in this page's address. */
export async function openSignIn(server: ServerChoice): Promise<SignIn> {
  const { baseUrl } = server
  const work = () => import('./sign-in-work.js')
  const problem = createStore<string | undefined>(undefined)
  const login = createStore<Login | undefined>(undefined)
  const failed = (error: unknown): void => problem.set(signInProblem(error))
  const channel = new BroadcastChannel(`sign-in ${baseUrl}`)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
  const tellOthers = (): void => channel.postMessage('changed')

  async function lookUp(): Promise<void> {
    try {
      login.set(await (await work()).earlierLogin(baseUrl))
    } catch (error) {
      failed(error)
    }
  }

  const returned = mayBeAnswer(new URL(location.href))
  if (returned) {
    try {
      login.set(await (await work()).completeLogin())
      if (login.get() !== undefined) tellOthers()
    } catch (error) {
      failed(error)
    }
  }
  if (login.get() === undefined && (await hasLogins())) await lookUp()
  channel.addEventListener('message', () => void lookUp())

  return {
    login,
    problem,
    returned,
    async leave() {
      problem.set(undefined)
      try {
        await (await work()).beginLogin(server)
      } catch (error) {
        failed(error)
      }
    },
    async end() {
      problem.set(undefined)
      try {
        await login.get()?.end()
        login.set(undefined)
        tellOthers()
      } catch (error) {
        problem.set(`Signing out did not work. ${error instanceof Error ? error.message : ''}`.trim())
      }
    },
    async withdraw() {
      const current = login.get()
      if (current !== undefined) await (await work()).withdrawLogin(current, baseUrl)
    },
  }
}
