import type { ClientAuth } from 'oauth4webapi'
import { AuthError } from './errors.js'
import { assertionMaker, randomTokenId } from './internal/assertion.js'
import { assertionAuth, publicAuth, secretAuth, type BasicEncoding } from './internal/client-auth.js'
import { checkSigningKey, keyIdOf, type AssertionAlgorithm, type SigningKey } from './internal/signing-key.js'
import type { ConnectionOptions } from './types.js'

/** What a client is asked to prove, and to whom. */
export interface ProofRequest {
  readonly clientId: string
  /** The `aud` of an assertion: the token endpoint. */
  readonly audience: string
  readonly connection: ConnectionOptions
}

/** How a client proves itself: made by `secretProof` or `keyProof`. Without one it is a public client. */
export interface ClientProof {
  readonly authenticate: (request: ProofRequest) => ClientAuth
  /** Never shown in an error. */
  readonly secrets: readonly string[]
}

export interface SecretProofOptions {
  readonly clientSecret: string
  /** Default `raw`. */
  readonly basicEncoding?: BasicEncoding
  /** Default `header` (HTTP Basic). */
  readonly secretIn?: 'header' | 'body'
}

/** A client with a secret. Never use one in a browser or an app that others install. */
export function secretProof({ clientSecret, basicEncoding, secretIn }: SecretProofOptions): ClientProof {
  if (clientSecret === '') {
    throw new AuthError('ERR_INVALID_OPTIONS', 'clientSecret is empty', { hint: 'Give the secret.' })
  }
  return {
    secrets: [clientSecret],
    authenticate: ({ clientId }) =>
      secretAuth({
        clientId,
        clientSecret,
        basicEncoding: basicEncoding ?? 'raw',
        secretIn: secretIn ?? 'header',
      }),
  }
}

export interface KeyProofOptions {
  /** The private key whose public half is registered at the server. */
  readonly key: SigningKey
  /** Default `ES384`. */
  readonly alg?: AssertionAlgorithm
  /** Id of the key as registered. May be left out when a JWK brings its own. */
  readonly kid?: string
}

/**
 * A client with a key: each request carries a new signed assertion (SMART, "Client Authentication: Asymmetric").
 * Throws `ERR_INVALID_KEY` and `ERR_INVALID_OPTIONS`.
 */
export function keyProof({ key, alg = 'ES384', kid = keyIdOf(key) }: KeyProofOptions): ClientProof {
  checkSigningKey(key, alg)
  if (kid === undefined || kid === '') {
    throw new AuthError('ERR_INVALID_OPTIONS', 'kid is missing', {
      hint: 'Give the id under which the public key is registered.',
    })
  }
  return {
    secrets: [],
    authenticate({ clientId, audience, connection }) {
      const now = (): number => (connection.now ?? Date.now)()
      const make = assertionMaker({ clientId, key, alg, kid, now, randomId: randomTokenId })
      return assertionAuth(() => make(audience))
    },
  }
}

/** The authentication of a client that may have a proof. */
export function authOf(proof: ClientProof | undefined, request: ProofRequest): ClientAuth {
  return proof === undefined ? publicAuth() : proof.authenticate(request)
}

/** The proof of a login: what the client was given when it registered itself, else what the app gives. */
export function proofFor(
  { ownSecret }: { readonly ownSecret?: SecretProofOptions },
  given: ClientProof | undefined,
): ClientProof | undefined {
  return ownSecret === undefined ? given : secretProof(ownSecret)
}
