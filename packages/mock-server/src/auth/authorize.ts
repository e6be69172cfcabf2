import { htmlReply, formOf, type Call } from '../server/call.js'
import type { MockClient } from './credentials.js'
import { problemPage } from './login-pages.js'
import type { AuthorizeRequest, Launch, MockUser } from './logins.js'
import { visibleTo } from './logins.js'
import type { AuthParts } from './parts.js'
import { grantable, isKnownScope, splitScope } from './scopes.js'

/** Minutes that a login may take, and that a code may wait: both by the clock of the server. */
const loginLifeMs = 10 * 60 * 1000
const codeLifeMs = 60 * 1000

/** A refusal that the app is told by redirection (RFC 6749, 4.1.2.1). */
class RedirectProblem extends Error {
  override readonly name = 'RedirectProblem' as const
  readonly error: string

  constructor(error: string, description: string) {
    super(description)
    this.error = error
  }
}

/** The authorization endpoint, by GET or POST. */
export function authorize(parts: AuthParts, call: Call): Response {
  const params = call.method === 'POST' ? (formOf(call) ?? new URLSearchParams()) : call.query
  const client = parts.credentials.clients.get(params.get('client_id') ?? '')
  const redirectUri = params.get('redirect_uri') ?? ''
  // Without a trusted address there is nowhere to redirect to.
  if (client?.kind !== 'smart' || params.getAll('client_id').length > 1) {
    return htmlReply(400, problemPage('The app is not registered here (client_id).'))
  }
  if (!isRegistered(client, redirectUri) || params.getAll('redirect_uri').length > 1) {
    return htmlReply(
      400,
      problemPage('The address to return to is not registered for this app (redirect_uri).'),
    )
  }
  const states = params.getAll('state')
  const back: Back = { root: call.root, redirectUri, state: states.length === 1 ? (states[0] ?? '') : '' }
  try {
    const request = checkRequest(parts, call, client, params, back)
    if (parts.logins.approval !== undefined) return decideHeadless(parts, call, request)
    const login = parts.credentials.newOpaque()
    parts.logins.pending.set(login, { request, expiresAt: call.now + loginLifeMs })
    return redirect(`${call.root}/patient-login?login=${login}`)
  } catch (error) {
    if (error instanceof RedirectProblem) return redirectError(back, error.error, error.message)
    throw error
  }
}

interface Back {
  readonly root: string
  readonly redirectUri: string
  readonly state: string
}

/** Exact match; only the port of a loopback address may differ (RFC 8252, 7.3). */
function isRegistered({ redirectUris }: MockClient, uri: string): boolean {
  if (redirectUris.includes(uri)) return true
  if (!URL.canParse(uri)) return false
  const withoutPort = (text: string): string => {
    const url = new URL(text)
    return url.protocol === 'http:' && /^(127\.0\.0\.1|\[::1\])$/.test(url.hostname)
      ? `${url.hostname}${url.pathname}${url.search}`
      : text
  }
  return redirectUris.some(
    (registered) => URL.canParse(registered) && withoutPort(registered) === withoutPort(uri),
  )
}

function checkRequest(
  parts: AuthParts,
  call: Call,
  client: MockClient,
  params: URLSearchParams,
  back: Back,
): AuthorizeRequest {
  const invalid = (text: string): never => {
    throw new RedirectProblem('invalid_request', text)
  }
  for (const name of new Set(params.keys())) {
    if (params.getAll(name).length > 1) invalid(`The parameter ${name.slice(0, 40)} stands twice.`)
  }
  if (!client.grantTypes.includes('authorization_code')) {
    throw new RedirectProblem('unauthorized_client', 'The client is not registered for authorization_code.')
  }
  if (params.get('response_type') !== 'code') {
    throw new RedirectProblem('unsupported_response_type', 'Only response_type=code is supported.')
  }
  if (back.state === '') invalid('state is missing.')
  const aud = params.get('aud') ?? params.get('resource') ?? ''
  if (aud.replace(/\/$/, '') !== `${call.root}/fhir`) invalid('aud is not the FHIR base of this server.')
  const codeChallenge = params.get('code_challenge') ?? ''
  if (params.get('code_challenge_method') !== 'S256' || !/^[A-Za-z0-9_-]{43}$/.test(codeChallenge)) {
    invalid('PKCE with S256 is needed.')
  }
  if (params.get('prompt') === 'none' && parts.logins.approval === undefined) {
    throw new RedirectProblem('login_required', 'Nobody is logged in.')
  }
  const scope = checkScope(client, params.get('scope') ?? '')
  const launch = findLaunch(parts, scope, params.get('launch'))
  const nonce = params.get('nonce')
  return {
    clientId: client.clientId,
    redirectUri: back.redirectUri,
    scope,
    state: back.state,
    codeChallenge,
    ...(nonce === null ? {} : { nonce }),
    ...(launch === undefined ? {} : { launch }),
    root: call.root,
  }
}

function checkScope(client: MockClient, scope: string): string {
  const asked = splitScope(scope)
  if (asked.length === 0) throw new RedirectProblem('invalid_scope', 'No scope was asked for.')
  const unknown = asked.find((part) => !isKnownScope(part))
  if (unknown !== undefined) throw new RedirectProblem('invalid_scope', 'A scope is not known here.')
  if (grantable(scope, client.scope).length < asked.length) {
    throw new RedirectProblem('invalid_scope', 'A scope is not registered for this client.')
  }
  return asked.join(' ')
}

function findLaunch(parts: AuthParts, scope: string, id: string | null): Launch | undefined {
  if (id === null) {
    if (!splitScope(scope).includes('launch')) return undefined
    throw new RedirectProblem('invalid_request', 'The scope launch needs the parameter launch.')
  }
  const launch = parts.logins.launches.get(id)
  if (launch === undefined) throw new RedirectProblem('invalid_request', 'The launch is not known here.')
  return launch
}

function redirect(url: string): Response {
  return new Response(null, { status: 302, headers: { location: url, 'cache-control': 'no-store' } })
}

function backTo({ redirectUri, state, root }: Back, params: Readonly<Record<string, string>>): Response {
  const url = new URL(redirectUri)
  const all = { ...params, ...(state === '' ? {} : { state }), iss: `${root}/auth` }
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value)
  return redirect(url.href)
}

export function redirectError(back: Back, error: string, description: string): Response {
  return backTo(back, { error, error_description: description })
}

/** The patients that a login has to choose from: none where the request or the user leaves no choice. */
export function choiceOf(
  parts: AuthParts,
  request: AuthorizeRequest,
  user: MockUser,
): { readonly patient: string | undefined; readonly choice: readonly string[] } {
  if (request.launch?.patient !== undefined) return { patient: request.launch.patient, choice: [] }
  if (!splitScope(request.scope).includes('launch/patient')) return { patient: undefined, choice: [] }
  const visible = (visibleTo(user) ?? parts.patients().map(({ id }) => id)).slice(0, 200)
  return visible.length === 1 ? { patient: visible[0], choice: [] } : { patient: undefined, choice: visible }
}

function decideHeadless(parts: AuthParts, call: Call, request: AuthorizeRequest): Response {
  const { approval, users } = parts.logins
  const user = users.get(approval?.username ?? '')
  if (user === undefined || approval === undefined || approval.deny === true) {
    return redirectError(request, 'access_denied', 'The person said no.')
  }
  const { patient, choice } = choiceOf(parts, request, user)
  const chosen = patient ?? choice.find((id) => id === approval.patient)
  if (choice.length > 0 && chosen === undefined) {
    return redirectError(request, 'access_denied', 'Several patients are visible; name one in approveLogins.')
  }
  return approve(parts, call, request, user, chosen, approval.scope ?? request.scope)
}

/** Writes down what was agreed, and sends the app its code. */
export function approve(
  parts: AuthParts,
  call: Call,
  request: AuthorizeRequest,
  user: MockUser,
  patient: string | undefined,
  scope: string,
): Response {
  const { credentials, logins } = parts
  const visible = visibleTo(user)
  const id = parts.newId()
  logins.grants.set(id, {
    id,
    clientId: request.clientId,
    username: user.username,
    scope: splitScope(request.scope)
      .filter((part) => splitScope(scope).includes(part))
      .join(' '),
    ...(user.fhirUser === undefined ? {} : { fhirUser: user.fhirUser }),
    ...(patient === undefined ? {} : { patient }),
    ...(request.launch?.encounter === undefined ? {} : { encounter: request.launch.encounter }),
    ...(visible === undefined ? {} : { visible }),
    ...(request.nonce === undefined ? {} : { nonce: request.nonce }),
  })
  const code = credentials.newOpaque()
  const { redirectUri, codeChallenge } = request
  logins.codes.set(code, {
    grantId: id,
    redirectUri,
    codeChallenge,
    expiresAt: call.now + codeLifeMs,
    used: false,
  })
  return backTo(request, { code })
}
