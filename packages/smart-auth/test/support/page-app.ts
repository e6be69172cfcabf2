// A small web app, bundled by the tests: signs in, shows who is there, and asks for tokens on demand.
import { restoreSession, type Session } from '@fhir-outbox/smart-auth'
import { leaveForLogin, openBrowserStore, returnFromLogin } from '@fhir-outbox/smart-auth/browser'

interface Settings {
  readonly fhirBaseUrl: string
  readonly clientId: string
  readonly redirectUri: string
  readonly scope: string
  readonly parameters?: Record<string, string>
}

declare global {
  interface Window {
    settings: Settings
    session: Session | undefined
  }
}

const { fhirBaseUrl, ...login } = window.settings
const store = await openBrowserStore({ name: 'page-app' })

function show(state: string): void {
  document.title = state
  document.querySelector('#state')?.replaceChildren(state)
}

async function begin(): Promise<void> {
  await leaveForLogin({ ...login, store, fhirBaseUrl, patientMode: 'single-patient' })
}

document.querySelector('button')?.addEventListener('click', () => {
  begin().catch((error: unknown) => show(`failed: ${String(error)}`))
})

try {
  window.session = (await returnFromLogin({ store })) ?? (await restoreSession({ store, fhirBaseUrl }))
  show(window.session === undefined ? 'signed out' : `signed in: ${window.session.patient ?? 'nobody'}`)
} catch (error) {
  show(`failed: ${String(error)}`)
}
