import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { App } from '../app-state.js'
import type { Trouble } from '../platform/troubles.js'
import type { TroubleSwitches } from '../platform/trouble-switches.js'
import { createStore, useStore } from '../platform/store.js'
import type { Login } from '../queue/logins.js'

const switches: readonly { readonly trouble: Trouble; readonly name: string; readonly hint: string }[] = [
  { trouble: 'down', name: 'Take the server down', hint: 'Requests get no answer, and nothing arrives.' },
  {
    trouble: 'lose-replies',
    name: 'Lose its replies',
    hint: 'The server stores what it gets, but its answers are lost.',
  },
  {
    trouble: 'ask-who',
    name: 'Ask who sends',
    hint: 'The server takes readings from people who are signed in, and from nobody else.',
  },
]

const once: readonly { readonly trouble: Trouble; readonly name: string }[] = [
  { trouble: 'refuse-next', name: 'Refuse the next reading' },
  { trouble: 'pause-next', name: 'Ask for a pause of 20 s' },
]

/** Lets a visitor do to the demo server what the world does to real ones. */
export function TroublePanel({
  app,
  troubles,
}: {
  readonly app: App
  readonly troubles: TroubleSwitches
}): JSX.Element {
  const [active, setActive] = useState<readonly Trouble[]>([])
  const view = useStore(app.view)
  const { session } = app
  const login = useStore(session.signIn?.login ?? nobody)

  useEffect(() => {
    troubles.read().then(setActive, () => undefined)
    return troubles.watch(setActive)
  }, [])
  // One-off troubles end by striking; that shows in the queue.
  useEffect(() => {
    if (once.some(({ trouble }) => active.includes(trouble))) troubles.read().then(setActive, () => undefined)
  }, [view])

  async function set(trouble: Trouble, on: boolean): Promise<void> {
    // Whatever became of it, the switches show what is.
    setActive(await troubles.set(trouble, on).catch(() => [...active]))
    // A person who brings the server back expects something to happen.
    if (!on) app.tryNow()
  }

  return (
    <section class="card troubles" aria-labelledby="troubles-title">
      <h2 id="troubles-title">Make trouble</h2>
      <p class="hint">The demo server lives in this browser and does what you tell it.</p>
      {switches.map(({ trouble, name, hint }) => (
        <label class="switch" key={trouble}>
          <input
            type="checkbox"
            role="switch"
            checked={active.includes(trouble)}
            onChange={({ currentTarget }) => void set(trouble, currentTarget.checked)}
            aria-describedby={`hint-${trouble}`}
          />
          <span class="switch-track" aria-hidden="true" />
          <span class="switch-words">
            {name}
            <span class="hint" id={`hint-${trouble}`}>
              {hint}
            </span>
          </span>
        </label>
      ))}
      <div class="buttons">
        {once.map(({ trouble, name }) => (
          <button
            type="button"
            key={trouble}
            aria-pressed={active.includes(trouble)}
            onClick={() => void set(trouble, !active.includes(trouble))}
          >
            {name}
          </button>
        ))}
        {login === undefined ? null : (
          <button type="button" onClick={() => void session.signIn?.withdraw().catch(() => undefined)}>
            End the sign-in
          </button>
        )}
      </div>
    </section>
  )
}

const nobody = createStore<Login | undefined>(undefined)
