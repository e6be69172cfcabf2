import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { suiteNames, type Suite } from '../model/envelope.js'
import type { ServerChoice } from '../platform/server.js'
import { useStore } from '../platform/store.js'
import { refusalOf } from '../queue/envelope-settings.js'
import type { Envelopes } from '../queue/envelopes.js'

const ways: readonly { readonly suite: Suite | 'off'; readonly name: string; readonly text: string }[] = [
  {
    suite: 'off',
    name: 'Off',
    text: 'The connection is encrypted by https. The server reads what arrives, and so does whoever ends that connection for it: a proxy, a relay, a log of requests.',
  },
  {
    suite: 'jwe',
    name: 'JWE',
    text: 'Sealed here with AES-256-GCM under a key of its own, and that with RSA-OAEP-256 for the receiver. Nobody on the way reads it, changes it or puts it in the place of another one.',
  },
  {
    suite: 'c3-pro',
    name: 'C3-PRO',
    text: 'For receivers that know no other: AES-256-CBC and RSA-OAEP with SHA-1. Nobody on the way reads it, but nobody notices either when it is changed.',
  },
]

const names: Readonly<Record<Suite | 'off', string>> = { off: 'No envelopes', ...suiteNames }

/** Why a choice did not take effect. */
function choiceProblem(wanted: Suite | 'off', error: unknown): string {
  const said = error instanceof Error ? ` (${error.message})` : ''
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ERR_LOAD_AGAIN' || code === 'ERR_CHOOSE_AGAIN') return `Nothing was changed.${said}`
  if (wanted === 'off' || code === 'ERR_STORAGE_FAILED' || code === 'ERR_NOTE_CONFLICT') {
    return `The choice could not be kept in this browser. What is marked above as in use is what holds.${said}`
  }
  return code === undefined || code === 'ERR_NO_KEYS'
    ? `The receiver’s key could not be had, so nothing was changed.${said}`
    : `The receiver’s key cannot be used for ${names[wanted]}, so nothing was changed.${said}`
}

export interface EnvelopeChoiceProps {
  readonly envelopes: Envelopes
  readonly server: ServerChoice
}

/** Whether readings leave in envelopes, in which, and for whose key. */
export function EnvelopeChoice({ envelopes, server }: EnvelopeChoiceProps): JSX.Element {
  const settings = useStore(envelopes.settings)
  const [problem, setProblem] = useState<string>()
  const [busy, setBusy] = useState(false)
  const [news, setNews] = useState('')
  const { receiver } = envelopes
  const refusal = refusalOf(settings, receiver?.endpoint)
  const sealing = typeof settings === 'object' && settings.suite !== 'off' ? settings : undefined
  const now = refusal === undefined ? (sealing?.suite ?? 'off') : undefined

  async function choose(suite: Suite | 'off'): Promise<void> {
    if (busy) return
    setProblem(undefined)
    setBusy(true)
    setNews(suite === 'off' ? '' : 'Asking the receiver for its key…')
    try {
      await (suite === 'off' ? envelopes.stop() : envelopes.use(suite))
      setNews(
        suite === 'off'
          ? 'New readings travel as they are.'
          : `New readings travel in ${names[suite]} envelopes.`,
      )
    } catch (error) {
      setNews('')
      setProblem(choiceProblem(suite, error))
    }
    setBusy(false)
  }

  return (
    <>
      {refusal === undefined ? null : (
        <div class="problem" role="alert">
          <p>{refusal.message} Until then no reading is stored.</p>
        </div>
      )}
      <ul class="triple">
        {ways.map(({ suite, name, text }) => (
          <li class="card choice" key={suite}>
            <h3>
              {name}
              {now === suite ? <span class="chosen"> in use</span> : null}
            </h3>
            <p class="hint">{text}</p>
            {/* It stays when it is pressed, and so does the focus. */}
            <p class="buttons">
              <button
                type="button"
                aria-pressed={now === suite}
                aria-disabled={busy || now === suite}
                onClick={() => (now === suite ? undefined : void choose(suite))}
              >
                {suite === 'off' ? 'No envelopes' : `Use ${name}`}
              </button>
            </p>
          </li>
        ))}
      </ul>
      <p class="hint after" role="status">
        {news}
      </p>
      {problem === undefined ? null : (
        <div class="problem" role="alert">
          <p>{problem}</p>
        </div>
      )}
      {server.receiver === undefined ||
      receiver === undefined ||
      server.receiver.endpoint === receiver.endpoint ? null : (
        <p class="hint after">
          The address of this page names another receiver (
          <span class="address">{server.receiver.endpoint}</span>). It is taken when nothing waits for the one
          before; then load the page again.
        </p>
      )}
      {sealing === undefined || refusal !== undefined ? null : (
        <div class="card receiver">
          <h3>Key of the receiver</h3>
          <dl class="facts">
            <dt>Id</dt>
            <dd class="address">{sealing.key.keyId}</dd>
            <dt>Fingerprint</dt>
            <dd class="address">{sealing.key.fingerprint}</dd>
            <dt>Goes to</dt>
            <dd class="address">{sealing.endpoint}</dd>
          </dl>
          <p class="hint">
            The receiver published it when you chose. Whoever can forge that answer could read along: where it
            matters, compare the fingerprint with the receiver’s by telephone, or ship the key with the app.
          </p>
          {server.kind === 'demo' ? (
            <p class="hint">
              The receiver of the demo server lives in this same browser, its private key included: here you
              see how envelopes work, and they protect nothing.
            </p>
          ) : null}
          <p class="buttons">
            <button type="button" aria-disabled={busy} onClick={() => void choose(sealing.suite)}>
              Get the key again
            </button>
          </p>
        </div>
      )}
      <p class="hint after">
        An envelope is sealed before the reading is stored, for a key that this device does not have: what is
        in it cannot be shown here until the server has opened it. What waits already keeps the form it has.
        All readings keep their order.
      </p>
    </>
  )
}
