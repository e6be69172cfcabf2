import { splitScopes } from './scopes.js'

/**
 * Whose data a login is about.
 * - `token-only`: nobody is chosen; `patient` only when the server names one. The default.
 * - `launch-context`: the patient that the EHR has open; asks for `launch`.
 * - `server-select`: the server lets the person choose; asks for `launch/patient`.
 * - `client-select`: the app lets the person choose afterwards, with `selectPatient`.
 * - `single-patient`: the person's own record and nothing else: the patient that the server names, else the one that the
 *   verified `fhirUser` is, else the only one visible; otherwise `ERR_NO_SINGLE_PATIENT`. No other patient is looked at.
 */
export type PatientMode =
  'token-only' | 'launch-context' | 'server-select' | 'client-select' | 'single-patient'

const added: Readonly<Record<PatientMode, readonly string[]>> = {
  'token-only': [],
  'launch-context': ['launch'],
  'server-select': ['launch/patient'],
  'client-select': [],
  'single-patient': ['launch/patient', 'openid', 'fhirUser'],
}

/**
 * Every scope a login will ask for, each once: what a client must be registered for.
 *
 * @example
 * loginScopes('patient/*.rs offline_access', 'single-patient')
 */
export function loginScopes(scope: string | readonly string[], mode: PatientMode = 'token-only'): string {
  return splitScopes([...added[mode], ...splitScopes(scope)]).join(' ')
}

export function isPatientMode(value: unknown): value is PatientMode {
  return typeof value === 'string' && Object.hasOwn(added, value)
}
