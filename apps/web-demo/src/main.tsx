import { render } from 'preact'
import { createApp } from './app-state.js'
import { lockDown } from './platform/lock-down.js'
import { chooseServer } from './platform/server.js'
import { startWorker } from './platform/worker.js'
import { addressWith, rememberedKeeping } from './queue/keeping.js'
import { openSession } from './queue/session.js'
import { mayBeAnswer, openSignIn } from './queue/sign-in.js'
import './styles/layout.css'
import './styles/controls.css'
import './styles/screens.css'
import './styles/circumstances.css'
import { Problem, Shell } from './ui/shell.js'

function show(title: string, text: string): void {
  const root = document.querySelector('#app')
  if (root !== null) {
    render(
      <main class="shell">
        <Problem title={title} text={text} />
      </main>,
      root,
    )
  }
}

async function start(): Promise<void> {
  const page = new URL(location.href)
  if (!page.searchParams.has('sealed') && !mayBeAnswer(page) && rememberedKeeping() === 'sealed') {
    location.replace(addressWith('sealed', page))
    return
  }
  const server = chooseServer(page)
  if (server === undefined) {
    show('This address names no server', 'Write ?server= and the http or https address of a FHIR server.')
    return
  }
  lockDown(server.origins)
  const worker = await startWorker().catch((error: unknown) => {
    // Without it the app opens only with a network; for a server of one's own that will do.
    if (server.kind === 'own') return undefined
    throw error
  })
  if (worker === undefined && server.kind === 'demo') {
    show(
      'This browser cannot run the demo server',
      'It needs service workers: use https or localhost, and no private window.',
    )
    return
  }
  const signIn = isSecureContext ? await openSignIn(server) : undefined
  if (signIn?.returned === true) history.replaceState(history.state, '', '#/server')
  const session = await openSession(server, signIn, () =>
    show(
      'Another tab is in the way',
      'Close the other tabs of this app: they use an older version of its storage.',
    ),
  )
  const root = document.querySelector('#app')
  if (root !== null) render(<Shell app={createApp(session)} />, root)
}

start().catch((error: unknown) => {
  show('The app could not start', error instanceof Error ? error.message : 'Unknown reason.')
})
