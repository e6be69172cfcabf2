import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { App } from '../app-state.js'
import { readings } from '../model/words.js'
import { useStore } from '../platform/store.js'
import {
  addressWith,
  changeKey,
  deleteKey,
  forgetKeys,
  keyUses,
  rememberKeeping,
  type Keeping,
  type KeyUse,
} from '../queue/keeping.js'
import { EnvelopeChoiceLater } from './envelope-choice-later.js'

export function Settings({ app }: { readonly app: App }): JSX.Element {
  const { envelopes, server } = app.session
  const { sealed } = server
  return (
    <>
      <h1 tabIndex={-1}>Settings</h1>
      <section aria-labelledby="keeping-title">
        <h2 id="keeping-title">How readings wait on this device</h2>
        <KeepingChoice now={sealed ? 'sealed' : 'plain'} />
        <p class="hint after">
          Each way has an outbox of its own. What waits in the other one stays there, and you find it again
          when you change back.
        </p>
      </section>
      {sealed ? <Keys app={app} /> : null}
      <section aria-labelledby="envelopes-title">
        <h2 id="envelopes-title">How readings travel: envelopes</h2>
        {envelopes.receiver === undefined && !envelopes.on() ? (
          <p class="empty">
            This server has no receiver for envelopes, as far as the address of this page says (
            <span class="address">&amp;receiver=</span>).
          </p>
        ) : (
          <EnvelopeChoiceLater envelopes={envelopes} server={server} />
        )}
      </section>
    </>
  )
}

const ways = [
  {
    keeping: 'sealed',
    name: 'Sealed',
    text: 'Encrypted with AES-256-GCM under a key that this browser made and that no script can read out. Whoever copies the files of the browser without its keys reads nothing. The key is gone with the data of the site, and so are the readings.',
  },
  {
    keeping: 'plain',
    name: 'As they are',
    text: 'Whoever can read the files of this browser can read what waits, as with most websites.',
  },
] as const

/** Both ways with what they mean; the one in use is marked. */
export function KeepingChoice({ now }: { readonly now: Keeping | undefined }): JSX.Element {
  function choose(keeping: Keeping): void {
    rememberKeeping(keeping)
    location.assign(addressWith(keeping, new URL(location.href)))
  }

  return (
    <ul class="pair">
      {ways.map(({ keeping, name, text }) => (
        <li class="card choice" key={keeping}>
          <h3>
            {name}
            {now === keeping ? <span class="chosen"> in use</span> : null}
          </h3>
          <p class="hint">{text}</p>
          {now === keeping ? null : (
            <p class="buttons">
              <button type="button" onClick={() => choose(keeping)}>
                {keeping === 'sealed' ? 'Keep them sealed' : 'Keep them as they are'}
              </button>
            </p>
          )}
        </li>
      ))}
    </ul>
  )
}

function Keys({ app }: { readonly app: App }): JSX.Element {
  const view = useStore(app.view)
  const [uses, setUses] = useState<readonly KeyUse[]>([])
  const [problem, setProblem] = useState<string>()
  const dialog = useRef<HTMLDialogElement>(null)
  const waiting = view?.stats.waiting ?? 0
  const kept = waiting + (view?.stats.dead ?? 0)

  function look(): void {
    keyUses(app.session).then(setUses, () => undefined)
  }
  useEffect(look, [view])

  function run(action: Promise<void>): void {
    setProblem(undefined)
    action.catch((error: unknown) => {
      // What went wrong is told on the page, which a dialog would hide.
      dialog.current?.close()
      setProblem(error instanceof Error ? error.message : 'It could not be done.')
    })
  }

  return (
    <section class="card" aria-labelledby="keys-title">
      <h2 id="keys-title">Keys</h2>
      <ul class="rows keys">
        {uses.map(({ keyId, current, records }) => (
          <li key={keyId}>
            <span>
              <b>{keyId}</b> {current ? 'seals what is measured now' : 'opens what it has sealed'}
            </span>
            <span class="quiet">{records === 1 ? '1 record' : `${records} records`}</span>
            {!current && records === 0 && waiting === 0 ? (
              <button type="button" onClick={() => run(deleteKey(keyId).then(look))}>
                Delete
              </button>
            ) : null}
          </li>
        ))}
      </ul>
      <p class="hint after">
        A new key seals from then on; the old one stays for what it has sealed, receipts included, and can be
        deleted when nothing needs it. Other tabs of the app load again for that.
      </p>
      {problem === undefined ? null : (
        <div class="problem" role="alert">
          <p>{problem}</p>
        </div>
      )}
      <p class="buttons">
        <button type="button" onClick={() => run(changeKey(app.session))}>
          Change the key
        </button>
        <button type="button" onClick={() => dialog.current?.showModal()}>
          Forget all keys…
        </button>
      </p>
      <dialog ref={dialog} aria-labelledby="forget-title">
        <h2 id="forget-title">Forget all keys</h2>
        <p>
          Every sealed outbox in this browser becomes unreadable and is deleted with its receipts, for all
          servers. What was delivered stays at the server.
        </p>
        {kept === 0 ? null : (
          <p>
            <strong class="warn">Here {readings(kept)} would be lost that no server has.</strong>
          </p>
        )}
        <p class="buttons">
          <button type="button" class="primary" onClick={() => run(forgetKeys(app.session))}>
            Forget and delete
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </p>
      </dialog>
    </section>
  )
}
