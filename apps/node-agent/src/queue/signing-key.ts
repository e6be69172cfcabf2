import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { AgentError } from '../agent-error.js'
import { textOfSetting } from './setting-file.js'

/** What a client signs its assertions with. */
export interface SigningKey {
  readonly key: string | JsonWebKey
  /** SMART names these two; the key decides. */
  readonly alg: 'ES384' | 'RS384'
}

const hint =
  'Give an unencrypted private key in PEM or as JWK: P-384 for ES384, RSA of 2048 bits or more for RS384.'

/** Reads a private key, JWK or PEM. Rejects with `ERR_BAD_CONFIG` or `ERR_INVALID_KEY`; both name the file. */
export async function signingKey(path: string): Promise<SigningKey> {
  const text = await textOfSetting(path, 'private key')
  const jwk = text.trimStart().startsWith('{') ? jwkOf(text, path) : undefined
  let key: KeyObject
  try {
    key = createPrivateKey(jwk === undefined ? text : { key: jwk, format: 'jwk' })
  } catch (cause) {
    throw new AgentError('ERR_INVALID_KEY', `${path}: It holds no private key that can be used.`, {
      hint,
      cause,
    })
  }
  // Whatever PEM it was, such as what openssl writes by itself, it is PKCS#8 from here on.
  const usable = jwk ?? key.export({ type: 'pkcs8', format: 'pem' }).toString()
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'ec' && details?.namedCurve === 'secp384r1') return { key: usable, alg: 'ES384' }
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048) return { key: usable, alg: 'RS384' }
  throw new AgentError('ERR_INVALID_KEY', `${path}: Its key is of a kind that SMART servers do not take.`, {
    hint,
  })
}

function jwkOf(text: string, path: string): JsonWebKey {
  try {
    return JSON.parse(text) as JsonWebKey
  } catch {
    // The parser's message quotes the key, so it is not passed on.
    throw new AgentError('ERR_BAD_CONFIG', `The private key ${path} is neither JSON (JWK) nor PEM.`, { hint })
  }
}
