import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { App } from '../app-state.js'
import { useStore } from '../platform/store.js'
import { Entry } from '../screens/entry.js'
import { Measure } from '../screens/measure.js'
import { Outbox } from '../screens/outbox.js'
import { Server } from '../screens/server.js'
import { Settings } from '../screens/settings.js'
import { Trends } from '../screens/trends.js'
import { TroublePanel } from './trouble-panel.js'
import { TruthBar } from './truth-bar.js'

const screens = [
  { screen: 'measure', name: 'Measure' },
  { screen: 'trends', name: 'Trends' },
  { screen: 'outbox', name: 'Outbox' },
  { screen: 'server', name: 'Server' },
  { screen: 'settings', name: 'Settings' },
] as const

export function Shell({ app }: { readonly app: App }): JSX.Element {
  const route = useStore(app.route)
  const lost = useStore(app.session.lost)
  const main = useRef<HTMLElement>(null)
  const first = useRef(true)
  const tab = route.screen === 'entry' ? 'outbox' : route.screen
  const key = route.screen === 'entry' ? `entry ${route.sequence}` : route.screen

  useEffect(() => {
    const name = screens.find(({ screen }) => screen === tab)?.name ?? ''
    document.title = `${name} · FHIR Outbox`
    // Following a link goes to the new screen's heading, as loading a page would.
    if (!first.current) main.current?.querySelector<HTMLElement>('h1')?.focus()
    first.current = false
  }, [key])

  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => skip(event, main.current)}>
        Skip to content
      </a>
      <header class="top">
        <p class="brand">
          <Mark /> FHIR Outbox
        </p>
        <nav aria-label="Screens">
          {screens.map(({ screen, name }) => (
            <a key={screen} href={`#/${screen}`} {...(tab === screen ? { 'aria-current': 'page' } : {})}>
              {name}
            </a>
          ))}
        </nav>
      </header>
      <TruthBar app={app} />
      <div class="columns">
        <main ref={main} id="main">
          {lost === undefined ? (
            <Screen app={app} key={key} />
          ) : (
            <Problem title="This page has lost its storage" text={`${lost} Load the page again to go on.`} />
          )}
        </main>
        <aside aria-label="Server">
          {app.troubles === undefined ? null : <TroublePanel app={app} troubles={app.troubles} />}
          <p class="hint place">
            {app.session.server.name}: <span class="address">{app.session.server.baseUrl}</span>
          </p>
          <p class="hint place">
            {app.session.persistent
              ? 'The browser keeps what waits here.'
              : 'The browser may throw away what waits here when it runs out of room.'}
          </p>
        </aside>
      </div>
    </div>
  )
}

function skip(event: MouseEvent, main: HTMLElement | null): void {
  event.preventDefault()
  main?.querySelector<HTMLElement>('h1')?.focus()
}

function Screen({ app }: { readonly app: App }): JSX.Element {
  const route = useStore(app.route)
  switch (route.screen) {
    case 'measure':
      return <Measure app={app} />
    case 'trends':
      return <Trends app={app} />
    case 'outbox':
      return <Outbox app={app} />
    case 'server':
      return <Server app={app} />
    case 'settings':
      return <Settings app={app} />
    case 'entry':
      return <Entry app={app} sequence={route.sequence} />
  }
}

export function Problem({ title, text }: { readonly title: string; readonly text: string }): JSX.Element {
  return (
    <div class="problem" role="alert">
      <h1 tabIndex={-1}>{title}</h1>
      <p>{text}</p>
    </div>
  )
}

function Mark(): JSX.Element {
  return (
    <svg viewBox="0 0 64 64" width="28" height="28" aria-hidden="true">
      <path d="M12 38v12h40V38M14 30h10l5-12 7 22 5-10h9" />
    </svg>
  )
}
