import type { FhirClient } from '@fhir-outbox/fhir-client'
import { runCanaries, type CanaryOptions } from './canaries.js'
import { readStatement, type Evidence } from './evidence.js'
import { failureOf } from './classify.js'
import { isObject } from './json.js'

/** What tells the granted scopes; the token source of the client fits. */
export interface ScopeSource {
  getToken(request: { readonly url: string }): Promise<{ readonly scope?: string | undefined }>
}

/** Options of `gatherEvidence`. */
export interface GatherOptions {
  readonly client: FhirClient
  /** Tells which scopes were granted. Default: unknown. */
  readonly tokens?: ScopeSource | undefined
  /** Also tries things out on a harmless resource, which is deleted again. Default: nothing is written. */
  readonly canaries?: CanaryOptions | undefined
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: (() => number) | undefined
  readonly signal?: AbortSignal | undefined
}

/** A server that does not answer this in time is asked again another day. */
const timeoutMs = 10_000

/**
 * Finds out what a server can do. Whatever cannot be read is left out; only an abort rejects. Evidence says how
 * writes are planned, never whether they may be tried.
 */
export async function gatherEvidence(options: GatherOptions): Promise<Evidence> {
  const { client, tokens, canaries, now = () => Date.now(), signal } = options
  const at = new Date(now()).toISOString()
  const [statement, smart, scopes] = await Promise.all([
    statementOf(client, signal),
    smartOf(client, signal),
    scopesOf(client, tokens),
  ])
  signal?.throwIfAborted()
  const found: Evidence = {
    v: 1,
    at,
    ...statement,
    ...(smart === undefined ? {} : { smart }),
    ...(scopes === undefined ? {} : { scopes }),
    learned: {},
  }
  if (canaries === undefined) return found
  const findings = await runCanaries(client, canaries, { at, evidence: found, signal })
  return findings === undefined ? found : { ...found, canaries: findings }
}

async function statementOf(
  client: FhirClient,
  signal: AbortSignal | undefined,
): Promise<Omit<Evidence, 'v' | 'at' | 'learned'>> {
  try {
    const { resource } = await client.capabilities({ timeoutMs, signal })
    return { statement: 'read', ...(isObject(resource) ? readStatement(resource) : {}) }
  } catch (error) {
    const { code, status } = failureOf(error)
    return {
      statement: 'unreadable',
      statementFailure: { code, ...(status === undefined ? {} : { status }) },
    }
  }
}

async function smartOf(
  client: FhirClient,
  signal: AbortSignal | undefined,
): Promise<readonly string[] | undefined> {
  try {
    const path = '.well-known/smart-configuration'
    const { body } = await client.request({
      method: 'GET',
      path,
      auth: 'none',
      expect: 'any',
      timeoutMs,
      signal,
    })
    const value = body.kind === 'json' && isObject(body.value) ? body.value['capabilities'] : undefined
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : undefined
  } catch {
    return undefined
  }
}

async function scopesOf(client: FhirClient, tokens: ScopeSource | undefined): Promise<string | undefined> {
  try {
    return (await tokens?.getToken({ url: client.baseUrl }))?.scope
  } catch {
    return undefined
  }
}
