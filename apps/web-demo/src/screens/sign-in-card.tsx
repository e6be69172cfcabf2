import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { App } from '../app-state.js'
import { demoPeople } from '../model/demo-people.js'
import { dateAndTime } from '../model/words.js'
import { useStore } from '../platform/store.js'
import type { Login } from '../queue/logins.js'
import type { SignIn } from '../queue/sign-in.js'

const noticeWords: Readonly<Record<string, string>> = {
  'no-refresh-token': 'The server gave nothing to renew the sign-in with: it ends with its first token.',
  'no-id-token': 'The server made no statement about the person.',
  'scope-reduced': 'Less was granted than the app asked for.',
}

export function SignInCard({ app, signIn }: { readonly app: App; readonly signIn: SignIn }): JSX.Element {
  const login = useStore(signIn.login)
  const problem = useStore(signIn.problem)
  const gate = useStore(app.gate)
  const [busy, setBusy] = useState(false)
  const refused = gate.closed && (gate.code === 'ERR_LOGIN_REQUIRED' || gate.code === 'ERR_UNAUTHORIZED')

  async function run(action: () => Promise<void>): Promise<void> {
    setBusy(true)
    await action().catch(() => undefined)
    setBusy(false)
  }

  return (
    <section class="card" aria-labelledby="sign-in-title">
      <h2 id="sign-in-title">Sign-in</h2>
      {problem === undefined ? null : (
        <div class="problem" role="alert">
          <p>{problem}</p>
        </div>
      )}
      {login === undefined ? (
        <p>
          Nobody is signed in.{' '}
          {refused
            ? 'The server takes readings from people who are, and they wait until then.'
            : 'The server has not asked for it.'}
        </p>
      ) : (
        <LoginFacts login={login} ended={refused} />
      )}
      {app.session.server.kind === 'demo' && (login === undefined || refused) ? <DemoPeople /> : null}
      <p class="buttons">
        {login === undefined || refused ? (
          <button type="button" class="primary" disabled={busy} onClick={() => void run(signIn.leave)}>
            {login === undefined ? 'Sign in' : 'Sign in again'}
          </button>
        ) : null}
        {login === undefined ? null : (
          <button type="button" disabled={busy} onClick={() => void run(signIn.end)}>
            Sign out
          </button>
        )}
      </p>
    </section>
  )
}

function LoginFacts({ login, ended }: { readonly login: Login; readonly ended: boolean }): JSX.Element {
  return (
    <>
      {ended ? (
        <p>
          <strong class="warn">The server has ended this sign-in.</strong> Readings are stored here about the
          same patient, and go when you have signed in again.
        </p>
      ) : null}
      <dl class="facts">
        <dt>Person</dt>
        <dd>{login.fhirUser ?? 'not stated'}</dd>
        <dt>Patient</dt>
        <dd data-testid="patient">{login.patient === undefined ? 'none' : `Patient/${login.patient}`}</dd>
        <dt>Since</dt>
        <dd>{dateAndTime(login.loggedInAt)}</dd>
        <dt>May</dt>
        <dd class="address">{login.scope}</dd>
      </dl>
      {login.notices.map((notice) => (
        <p class="hint" key={notice}>
          {noticeWords[notice]}
        </p>
      ))}
    </>
  )
}

function DemoPeople(): JSX.Element {
  return (
    <p class="hint">
      At the demo server you can sign in as{' '}
      {demoPeople.map(({ username, password, about }, index) => (
        <>
          {index === 0 ? '' : ', or as '}
          <b>{username}</b> with the password <b>{password}</b>, for {about}
        </>
      ))}
      .
    </p>
  )
}
