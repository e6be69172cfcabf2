import { exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from 'jose'
import { trueUuid } from '../random.js'

export interface SigningKey {
  readonly kid: string
  readonly privateJwk: JWK
}

/** The server's keys for id_tokens: one signs, older ones stay published so that their tokens can be verified. */
export interface SigningKeys {
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>
  publicKeys(): Promise<{ readonly keys: readonly JWK[] }>
  /** The next token is signed by a new key. The old one stays published, unless `withdraw` is true. */
  rotate(withdraw?: boolean): void
  save(): readonly SigningKey[]
  load(keys: readonly SigningKey[]): void
}

const alg = 'RS256'

/** Keys are made when first needed: RSA takes its time. */
export function createSigningKeys(): SigningKeys {
  let keys: readonly SigningKey[] = []
  let current: Promise<SigningKey> | undefined

  const make = async (): Promise<SigningKey> => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true })
    // Never from the seed: an id stands for one key, and keys are random.
    const key = { kid: trueUuid(), privateJwk: await exportJWK(privateKey) }
    keys = [...keys, key]
    return key
  }
  const currentKey = (): Promise<SigningKey> => {
    current ??= make()
    return current
  }
  return {
    sign: async (claims) => {
      const { kid, privateJwk } = await currentKey()
      return new SignJWT(claims)
        .setProtectedHeader({ alg, kid, typ: 'JWT' })
        .sign(await importJWK(privateJwk, alg))
    },
    publicKeys: async () => {
      await currentKey()
      return {
        keys: keys.map(({ kid, privateJwk: { kty, n, e } }) => ({
          kid,
          alg,
          use: 'sig',
          ...(kty === undefined ? {} : { kty }),
          ...(n === undefined ? {} : { n }),
          ...(e === undefined ? {} : { e }),
        })) as readonly JWK[],
      }
    },
    rotate: (withdraw = false) => {
      current = undefined
      if (withdraw) keys = []
    },
    save: () => keys,
    load: (saved) => {
      keys = saved
      const last = saved.at(-1)
      current = last === undefined ? undefined : Promise.resolve(last)
    },
  }
}
