import { AuthError } from './errors.js'
import { exchange, type Answer } from './internal/exchange.js'
import { omitUndefined } from './internal/omit-undefined.js'
import { parseUrlOption } from './internal/url.js'
import { readRegistrationAnswer, type RegisteredClient } from './register-client.js'
import type { ConnectionOptions, FetchInit } from './types.js'

/** What the server gave at registration for managing it (RFC 7592). */
export interface ManagedRegistration {
  readonly registrationClientUri: string
  /** Secret. */
  readonly registrationAccessToken: string
}

export interface ManageRegistrationOptions extends ConnectionOptions {
  /**
   * Stores what the server answered. The server may have replaced the management token: nothing else is done, and
   * nothing resolves, before this has.
   */
  readonly persist: (client: RegisteredClient) => Promise<void>
  /** Values in the metadata that must never show up in an error. */
  readonly secrets?: readonly string[]
  readonly signal?: AbortSignal
}

const maxBytes = 262_144
const timeoutMs = 30_000
/** What the server has issued must not be sent back as metadata (RFC 7592, section 2.2). */
const issuedMembers = [
  'registration_access_token',
  'registration_client_uri',
  'client_secret_expires_at',
  'client_id_issued_at',
]

/**
 * Reads a registration (RFC 7592, section 2.1).
 *
 * Errors: `ERR_AUTH_UNREACHABLE`, `ERR_REGISTRATION_FAILED` (`status` 401 or 404: the server knows neither client nor
 * token), `ERR_INSECURE_URL`, `ERR_INVALID_OPTIONS`, and what `persist` rejects with.
 */
export async function readRegistration(
  managed: ManagedRegistration,
  options: ManageRegistrationOptions,
): Promise<RegisteredClient> {
  return managedClient(managed, options, 'GET')
}

/**
 * Replaces the metadata of a registration as a whole (RFC 7592, section 2.2). Members that the server has issued are
 * left out of the request; `client_id` is needed. Errors: as `readRegistration`.
 */
export async function updateRegistration(
  managed: ManagedRegistration,
  metadata: Readonly<Record<string, unknown>>,
  options: ManageRegistrationOptions,
): Promise<RegisteredClient> {
  const members = Object.entries(metadata).filter(([name]) => !issuedMembers.includes(name))
  return managedClient(managed, options, 'PUT', JSON.stringify(Object.fromEntries(members)))
}

/** Deletes a registration (RFC 7592, section 2.3). One that is not there any more counts as deleted. */
export async function deleteRegistration(
  managed: ManagedRegistration,
  options: ConnectionOptions & { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { answer, url } = await send(managed, options, 'DELETE')
  if (answer.status === 404 || answer.status === 401) return
  if (answer.status >= 200 && answer.status <= 299) return
  readRegistrationAnswer(answer, context('DELETE', url, managed, options))
  throw new AuthError('ERR_REGISTRATION_FAILED', 'The registration was not deleted', {
    hint: 'Delete it at the server.',
    status: answer.status,
  })
}

async function managedClient(
  managed: ManagedRegistration,
  options: ManageRegistrationOptions,
  method: 'GET' | 'PUT',
  body?: string,
): Promise<RegisteredClient> {
  const { answer, url } = await send(managed, options, method, body)
  const client = readRegistrationAnswer(answer, context(method, url, managed, options))
  // What is not repeated stays as it is.
  const whole = { ...managed, ...client }
  await options.persist(whole)
  return whole
}

async function send(
  managed: ManagedRegistration,
  options: ConnectionOptions & { readonly signal?: AbortSignal },
  method: FetchInit['method'],
  body?: string,
): Promise<{ answer: Answer; url: URL }> {
  const url = parseUrlOption(managed.registrationClientUri, 'registrationClientUri')
  const headers = {
    accept: 'application/json',
    authorization: `Bearer ${managed.registrationAccessToken}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  const request = { method, headers, maxBytes, ...omitUndefined({ body, signal: options.signal }) }
  return { answer: await exchange(url, request, options, timeoutMs), url }
}

function context(
  method: string,
  url: URL,
  { registrationAccessToken }: ManagedRegistration,
  options: ConnectionOptions & { readonly secrets?: readonly string[] },
): Parameters<typeof readRegistrationAnswer>[1] {
  return {
    method,
    url,
    profile: 'smart',
    secrets: [registrationAccessToken, ...(options.secrets ?? [])],
    now: (options.now ?? Date.now)(),
  }
}
