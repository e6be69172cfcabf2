import {
  createSealer,
  generateRecipient,
  importOpeningKey,
  importRecipient,
} from '@fhir-outbox/envelope-crypto'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { failure, newParty, utf8 } from './support.js'

describe('a platform that lacks what is needed', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
  })

  it('says so when WebCrypto is missing, as in a page without https', async () => {
    const { generated, recipient, opener } = await newParty()
    const sealer = createSealer({ suite: 'c3-pro', recipient })
    const envelope = await sealer.seal(utf8('a'))
    vi.stubGlobal('crypto', {})
    const attempts = [
      generateRecipient(),
      importRecipient(generated.certificatePem, { keyId: 'k' }),
      importOpeningKey(generated.privateKeyPkcs8Pem, { keyId: 'k' }),
      sealer.seal(utf8('a')),
      opener.open(envelope),
    ]
    for (const error of await Promise.all(attempts.map((attempt) => failure(attempt)))) {
      expect(error).toMatchObject({ name: 'EnvelopeError', code: 'ERR_CRYPTO_UNAVAILABLE' })
    }
  })

  it('says so when the platform refuses the algorithms, and works once it no longer does', async () => {
    // As in a browser: there is WebCrypto only.
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined)
    const { recipient, opener } = await newParty()
    const sealer = createSealer({ suite: 'c3-pro', recipient })
    const refusal = new DOMException('disabled by policy', 'NotSupportedError')
    const { subtle } = crypto
    const importKey = vi.spyOn(subtle, 'importKey').mockRejectedValue(refusal)
    expect(await failure(sealer.seal(utf8('a')))).toMatchObject({ code: 'ERR_SEAL_FAILED', cause: refusal })
    importKey.mockRestore()
    expect(await opener.open(await sealer.seal(utf8('a')))).toEqual(utf8('a'))
  })
})
