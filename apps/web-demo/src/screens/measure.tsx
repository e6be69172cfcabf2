import type { JSX } from 'preact'
import type { App } from '../app-state.js'
import { useStore } from '../platform/store.js'
import { rememberedKeeping } from '../queue/keeping.js'
import { DeviceCard } from './device-card.js'
import { RecentReadings } from './recent-readings.js'
import { KeepingChoice } from './settings.js'
import { TypedCard } from './typed-card.js'

export function Measure({ app }: { readonly app: App }): JSX.Element {
  return (
    <>
      <h1 tabIndex={-1}>Measure</h1>
      <p class="lead">
        A reading is yours as soon as it is stored here. Getting it to the server is the outbox’s business.
      </p>
      <div class="pair">
        <DeviceCard app={app} />
        <TypedCard app={app} />
      </div>
      <FirstChoice app={app} />
      <RecentReadings app={app} />
    </>
  )
}

/** Asked once, before the first reading; whoever just measures keeps readings as they are. */
function FirstChoice({ app }: { readonly app: App }): JSX.Element | null {
  const view = useStore(app.view)
  if (view?.stats.accepted !== 0 || app.session.server.sealed || rememberedKeeping() !== undefined)
    return null
  return (
    <section aria-labelledby="first-choice-title">
      <h2 id="first-choice-title">How shall readings wait on this device?</h2>
      <KeepingChoice now="plain" />
      <p class="hint after">Settings change it later.</p>
    </section>
  )
}
