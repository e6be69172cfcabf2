import {
  createLocalJWKSet,
  errors,
  type CryptoKey,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWK,
  type JWSHeaderParameters,
} from 'jose'
import type { ConnectionOptions } from '../types.js'
import { exchange } from './exchange.js'
import { isRecord, parseJsonObject } from './json.js'
import { notServed } from './token-failure.js'

const maxBytes = 262_144
const maxKeys = 200
/** Tokens with unknown keys make the keys be loaded again at most this often. */
const reloadPauseMs = 60_000

/** The keys a token may be signed with. */
export type KeysFor = (header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<readonly CryptoKey[]>

/**
 * The published keys of a server. They are loaded when first needed, and once more when a token names a key that is
 * not among them, at most once a minute: a flood of such tokens costs one request.
 */
export function remoteKeySet(jwksUri: string, connection: ConnectionOptions): KeysFor {
  const url = new URL(jwksUri)
  let loading: Promise<JSONWebKeySet> | undefined
  let reloadedAt: number | undefined

  const load = (): Promise<JSONWebKeySet> => {
    const started = loadKeys(url, connection)
    loading = started
    started.catch(() => {
      if (loading === started) loading = undefined
    })
    return started
  }

  return async (header, token) => {
    const first = await matching(await (loading ?? load()), header, token)
    const now = (connection.now ?? Date.now)()
    if (first.length > 0) return first
    // A clock that was set back does not make the pause longer.
    if (reloadedAt !== undefined && now >= reloadedAt && now - reloadedAt < reloadPauseMs) return first
    reloadedAt = now
    return matching(await load(), header, token)
  }
}

async function matching(
  keys: JSONWebKeySet,
  header: JWSHeaderParameters,
  token: FlattenedJWSInput,
): Promise<readonly CryptoKey[]> {
  try {
    return [await createLocalJWKSet(keys)(header, token)]
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) {
      const several: CryptoKey[] = []
      for await (const key of error) several.push(key)
      return several
    }
    if (error instanceof errors.JWKSNoMatchingKey) return []
    throw error
  }
}

async function loadKeys(url: URL, connection: ConnectionOptions): Promise<JSONWebKeySet> {
  const request = { method: 'GET' as const, headers: { accept: 'application/json' }, maxBytes }
  const answer = await exchange(url, request, connection, 10_000)
  const listed = answer.status === 200 && answer.complete ? parseJsonObject(answer.text)?.['keys'] : undefined
  if (!Array.isArray(listed) || listed.length > maxKeys) {
    throw notServed(url, answer.status, 'without a usable key set', {
      code: 'ERR_ID_TOKEN_REFUSED',
      hint: 'Report it to the operator of the server.',
    })
  }
  return { keys: listed.filter(isPublicKey) }
}

/** A private or a symmetric key in public is no key to trust. */
function isPublicKey(value: unknown): value is JWK {
  return (
    isRecord(value) && typeof value['kty'] === 'string' && value['kty'] !== 'oct' && value['d'] === undefined
  )
}
