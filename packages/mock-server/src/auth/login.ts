import { formOf, htmlReply, type Call } from '../server/call.js'
import { approve, choiceOf, redirectError } from './authorize.js'
import { sameText } from './credentials.js'
import { approvalPage, loginPage, problemPage } from './login-pages.js'
import type { PendingLogin } from './logins.js'
import type { AuthParts } from './parts.js'
import { splitScope } from './scopes.js'

interface Open {
  readonly id: string
  readonly login: PendingLogin
  readonly form: URLSearchParams
  readonly appName: string
}

/** The login that a page is about: by hidden field or query, never by cookie (service workers cannot set one). */
function openLogin(parts: AuthParts, call: Call): Open | undefined {
  const form = (call.method === 'POST' ? formOf(call) : call.query) ?? new URLSearchParams()
  const id = form.get('login') ?? ''
  const login = parts.logins.pending.get(id)
  if (login === undefined || login.expiresAt <= call.now) return undefined
  const name = parts.credentials.clients.get(login.request.clientId)?.metadata?.['client_name']
  return { id, login, form, appName: typeof name === 'string' ? name : login.request.clientId }
}

const gone = (): Response =>
  htmlReply(400, problemPage('This login is over, or never began. Start again from the app.'))

function wrongMethod(): Response {
  return htmlReply(405, problemPage('This page is read with GET and sent with POST.'), {
    allow: 'GET, HEAD, POST',
  })
}

/** `/patient-login` */
export function patientLogin(parts: AuthParts, call: Call): Response {
  if (!['GET', 'HEAD', 'POST'].includes(call.method)) return wrongMethod()
  const open = openLogin(parts, call)
  if (open === undefined) return gone()
  const { id, login, form, appName } = open
  if (call.method !== 'POST') return htmlReply(200, loginPage(id, appName))
  const user = parts.logins.users.get(form.get('username') ?? '')
  if (user === undefined || !sameText(user.password, form.get('password') ?? '')) {
    return htmlReply(401, loginPage(id, appName, 'The user name or the password is wrong.'))
  }
  // A new id, so that whoever knew the old one does not share the session.
  parts.logins.pending.delete(id)
  const next = parts.credentials.newOpaque()
  parts.logins.pending.set(next, { ...login, username: user.username })
  const location = `${call.root}/authorize-app?login=${next}`
  return new Response(null, { status: 303, headers: { location, 'cache-control': 'no-store' } })
}

/** `/authorize-app` */
export function authorizeApp(parts: AuthParts, call: Call): Response {
  if (!['GET', 'HEAD', 'POST'].includes(call.method)) return wrongMethod()
  const open = openLogin(parts, call)
  const user = parts.logins.users.get(open?.login.username ?? '')
  if (open === undefined || user === undefined) return gone()
  const { id, login, form, appName } = open
  const { request } = login
  const { patient, choice } = choiceOf(parts, request, user)
  const show = (status: number, problem?: string): Response => {
    const names = new Map(parts.patients().map((one) => [one.id, one.name]))
    return htmlReply(
      status,
      approvalPage({
        login: id,
        appName,
        username: user.username,
        scopes: splitScope(request.scope),
        patients: choice.map((one) => ({ id: one, name: names.get(one) ?? one })),
        ...(problem === undefined ? {} : { problem }),
      }),
    )
  }
  if (call.method !== 'POST') return show(200)
  if (form.get('decision') !== 'approve') {
    parts.logins.pending.delete(id)
    return redirectError(request, 'access_denied', 'The person said no.')
  }
  const chosen = patient ?? choice.find((one) => one === form.get('patient'))
  if (choice.length > 0 && chosen === undefined) return show(400, 'Choose a patient.')
  const scope = form.getAll('scope').join(' ')
  if (scope === '') return show(400, 'Allow at least one thing, or deny.')
  parts.logins.pending.delete(id)
  return approve(parts, call, request, user, chosen, scope)
}
