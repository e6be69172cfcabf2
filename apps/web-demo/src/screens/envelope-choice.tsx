import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { Suite } from '../model/envelope.js'
import { useStore } from '../platform/store.js'
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

/** Whether readings leave in envelopes, in which, and for whose key. */
export function EnvelopeChoice({ envelopes }: { readonly envelopes: Envelopes }): JSX.Element {
  const settings = useStore(envelopes.settings)
  const [problem, setProblem] = useState<string>()
  const [busy, setBusy] = useState(false)
  const now = settings?.suite ?? 'off'

  async function choose(suite: Suite | 'off'): Promise<void> {
    setProblem(undefined)
    setBusy(true)
    try {
      if (suite === 'off') envelopes.stop()
      else await envelopes.use(suite)
    } catch (error) {
      const why = error instanceof Error ? ` (${error.message})` : ''
      setProblem(`The receiver’s key could not be had, so nothing was changed.${why}`)
    }
    setBusy(false)
  }

  return (
    <>
      <ul class="triple">
        {ways.map(({ suite, name, text }) => (
          <li class="card choice" key={suite}>
            <h3>
              {name}
              {now === suite ? <span class="chosen"> in use</span> : null}
            </h3>
            <p class="hint">{text}</p>
            {now === suite ? null : (
              <p class="buttons">
                <button type="button" disabled={busy} onClick={() => void choose(suite)}>
                  {suite === 'off' ? 'No envelopes' : `Use ${name}`}
                </button>
              </p>
            )}
          </li>
        ))}
      </ul>
      {problem === undefined ? null : (
        <div class="problem" role="alert">
          <p>{problem}</p>
        </div>
      )}
      {settings === undefined || now === 'off' ? null : (
        <div class="card receiver">
          <h3>Key of the receiver</h3>
          <dl class="facts">
            <dt>Id</dt>
            <dd class="address">{settings.key.keyId}</dd>
            <dt>Fingerprint</dt>
            <dd class="address">{settings.key.fingerprint}</dd>
            <dt>Goes to</dt>
            <dd class="address">{envelopes.receiver.endpoint}</dd>
          </dl>
          <p class="hint">
            The receiver published it when you chose. Whoever can forge that answer could read along: where it
            matters, compare the fingerprint with the receiver’s by telephone, or ship the key with the app.
          </p>
          <p class="buttons">
            <button type="button" disabled={busy} onClick={() => void choose(now)}>
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
