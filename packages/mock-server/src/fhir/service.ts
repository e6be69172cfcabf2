import type { MockToken } from '../auth/credentials.js'
import type { Call } from '../server/call.js'
import { accessOf, everything, type Access } from './access.js'
import { mostBodyBytes } from './bundle-jobs.js'
import type { Interaction } from './interactions.js'
import { createJob, type Caller, type FhirParts, type Place } from './job.js'
import { typePattern } from './model.js'
import { parsePrefer, requireJsonAccepted } from './preferences.js'
import { FhirProblem, outcomeOfProblem } from './problem.js'
import { fhirReply } from './reply.js'

export interface FhirServiceParts extends FhirParts {
  readonly interactions: readonly Interaction[]
  tokenOf(headers: Headers, now: number): MockToken | undefined
}

export type FhirService = (call: Call) => Promise<Response>

/** Everything below `/fhir` except discovery. `call.path` starts after `fhir`. */
export function createFhirService(parts: FhirServiceParts): FhirService {
  const rows = parts.interactions.filter(({ needs }) => needs?.(parts.profile) !== false)
  return async (call) => {
    try {
      return await answer(parts, rows, call)
    } catch (error) {
      if (!(error instanceof FhirProblem)) throw error
      return problemReply(parts, error)
    }
  }
}

function problemReply({ profile }: FhirServiceParts, problem: FhirProblem): Response {
  const { 'www-authenticate': challenge, ...others } = problem.headers
  const headers = {
    ...others,
    ...(challenge === undefined || !profile.challenge ? {} : { 'www-authenticate': challenge }),
    ...(profile.nonsenseOnErrors ? { etag: 'W/""', location: '/Patient/undefined' } : {}),
  }
  if (problem.status === 406 && profile.emptyNotAcceptable) return fhirReply(406, undefined, headers)
  return fhirReply(problem.status, outcomeOfProblem(problem, profile.issueText), headers)
}

async function answer(parts: FhirServiceParts, rows: readonly Interaction[], call: Call): Promise<Response> {
  const { profile } = parts
  const known = rows.filter((row) => placeOf(row, call) !== undefined)
  if (known.length === 0) throw new FhirProblem(404, 'not-found', 'There is nothing here.')
  const caller = known.every((row) => row.public === true) ? nobody : authorize(parts, call)
  requireJsonAccepted(call.headers, call.query.get('_format'))
  if (call.body.length > mostBodyBytes(profile, call)) {
    throw new FhirProblem(profile.maxBody.status, 'invalid', 'File too large')
  }
  const job = createJob(parts, call, parsePrefer(call.headers), caller, (started) =>
    started.scope === undefined ? everything : accessFor(parts, call, { ...started, scope: started.scope }),
  )
  const method = call.method === 'HEAD' ? 'GET' : call.method
  const row = known.find(
    (one) => (one.methods as readonly string[]).includes(method) && one.when?.(job) !== false,
  )
  const place = row && placeOf(row, call)
  if (row === undefined || place === undefined) throw refuseMethod(known, call)
  return row.run(job, place)
}

function refuseMethod(known: readonly Interaction[], { method }: Call): FhirProblem {
  const methods = new Set(known.filter(({ when }) => when === undefined).flatMap((row) => row.methods))
  const allow = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((name) =>
    methods.has(name === 'HEAD' ? 'GET' : (name as 'GET')),
  )
  return new FhirProblem(405, 'not-supported', `${method} is not supported here.`, {
    headers: { allow: allow.join(', ') },
  })
}

/** The open segments of a path, when the path of the row fits. */
function placeOf({ path }: Interaction, call: Call): Place | undefined {
  const pattern = path === '' ? [] : path.split('/')
  if (pattern.length !== call.path.length) return undefined
  const place = { type: '', id: '', vid: '', token: '' }
  for (const [index, part] of pattern.entries()) {
    const segment = call.path[index] ?? ''
    if (!part.startsWith(':')) {
      if (part !== segment) return undefined
      continue
    }
    const name = part.slice(1) as keyof typeof place
    if (name === 'type' ? !typePattern.test(segment) : /^[_$]/.test(segment) && name === 'id')
      return undefined
    place[name] = segment
  }
  return place
}

const nobody: Caller = { access: everything, scope: undefined, patient: undefined, visible: undefined }

function accessFor(
  { profile }: FhirServiceParts,
  call: Call,
  token: {
    readonly scope: string
    readonly patient: string | undefined
    readonly visible?: readonly string[] | undefined
  },
): Access {
  const { patient, visible, scope } = token
  const known = {
    scope,
    ...(patient === undefined ? {} : { patient }),
    ...(visible === undefined ? {} : { visible }),
  }
  return accessOf(known, { fhirBase: `${call.root}/fhir`, profile, strict: false })
}

function authorize(parts: FhirServiceParts, call: Call): Caller {
  if (parts.open) return nobody
  const token = parts.tokenOf(call.headers, call.now)
  if (token === undefined) {
    const given = call.headers.has('authorization')
    const challenge = `Bearer realm="fhir"${given ? ', error="invalid_token"' : ''}`
    throw new FhirProblem(
      401,
      'login',
      given ? 'The token is unknown or expired.' : 'A Bearer token is needed.',
      {
        headers: { 'www-authenticate': challenge },
      },
    )
  }
  const { scope, patient, visible } = token
  return { access: accessFor(parts, call, { scope, patient, visible }), scope, patient, visible }
}
