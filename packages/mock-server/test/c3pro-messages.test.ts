import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { enter, seal } from './c3pro-rig.js'
import { json, openRig, type Rig } from './rig.js'

const key = { system: 'urn:ietf:rfc:3986', value: 'urn:uuid:6f5b4a3c-1111-4222-8333-444455556666' }
const patient = { system: 'https://example.org/patients', value: 'p-1' }

/** A patient who may be there already, and an observation about her. */
const reading = {
  resourceType: 'Bundle',
  type: 'transaction',
  entry: [
    {
      fullUrl: 'urn:uuid:00000000-0000-4000-8000-000000000001',
      resource: { resourceType: 'Patient', identifier: [patient] },
      request: {
        method: 'POST',
        url: 'Patient',
        ifNoneExist: `identifier=${patient.system}|${patient.value}`,
      },
    },
    {
      fullUrl: 'urn:uuid:00000000-0000-4000-8000-000000000002',
      resource: {
        resourceType: 'Observation',
        identifier: [key],
        status: 'final',
        code: { text: 'weight' },
        subject: { reference: 'urn:uuid:00000000-0000-4000-8000-000000000001' },
      },
      request: { method: 'POST', url: 'Observation', ifNoneExist: `identifier=${key.system}|${key.value}` },
    },
  ],
}

const base64Url = (value: Uint8Array | object): string =>
  Buffer.from(value instanceof Uint8Array ? value : JSON.stringify(value)).toString('base64url')

/** A JWE by RFC 7516 with Node's own cryptography; the key comes from the receiver's key set. */
async function sealJwe(rig: Rig, resource: unknown, claims: object = {}, general = false): Promise<object> {
  const { keys } = await json(rig.send('/c3pro/jwks'))
  const [jwk] = keys as unknown as readonly { kid: string; kty: string; n: string; e: string }[]
  if (jwk === undefined) throw new Error('The receiver has no key.')
  const wrapping = { alg: 'RSA-OAEP-256', kid: jwk.kid }
  const head = base64Url({ enc: 'A256GCM', ...(general ? {} : wrapping), ...claims })
  const [secret, nonce] = [randomBytes(32), randomBytes(12)]
  const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(Buffer.from(head))
  const ciphertext = Buffer.concat([cipher.update(JSON.stringify(resource), 'utf8'), cipher.final()])
  const wrapped = publicEncrypt(
    {
      key: createPublicKey({ key: jwk, format: 'jwk' }),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: 'sha256',
    },
    secret,
  )
  const encrypted_key = base64Url(wrapped)
  const stranger = {
    header: { ...wrapping, kid: 'somebody-else' },
    encrypted_key: base64Url(randomBytes(256)),
  }
  return {
    protected: head,
    ...(general ? { recipients: [stranger, { header: wrapping, encrypted_key }] } : { encrypted_key }),
    iv: base64Url(nonce),
    ciphertext: base64Url(ciphertext),
    tag: base64Url(cipher.getAuthTag()),
  }
}

describe('what the C3-PRO receiver finds in an envelope', () => {
  it('runs a transaction as one, once, however often it arrives', async () => {
    const rig = await openRig('msw')
    const headers = await enter(rig)
    for (const _ of [1, 2]) await rig.write('POST', '/c3pro/encfhir', await seal(rig, reading), headers)
    const { received } = rig.mock.state.c3pro
    expect(received.map(({ outcome }) => outcome)).toEqual(['filed', 'duplicate'])
    const [madePatient] = rig.mock.state.resources('Patient')
    expect(received.map(({ reference }) => reference)).toEqual(
      Array<string>(2).fill(`Patient/${madePatient?.id}`),
    )
    expect(rig.mock.state.resources('Observation')).toMatchObject([
      { subject: { reference: `Patient/${madePatient?.id}` } },
    ])
    expect(rig.mock.state.resources('Bundle')).toEqual([])
    expect(rig.mock.state.commits.map(({ type }) => type)).toEqual(['Patient', 'Observation'])
  })

  const create = (fullUrl: string, resource: object) => ({
    fullUrl,
    resource,
    request: { method: 'POST', url: 'Observation' },
  })
  const [mine, again] = [1, 2].map((n) => `urn:uuid:00000000-0000-4000-8000-00000000001${n}`) as [
    string,
    string,
  ]
  const derived = { resourceType: 'Observation', status: 'final', code: { text: 'derived' } }
  const repeated = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      create(mine, { ...derived, identifier: [key] }),
      create(again, { ...derived, meta: { tag: [{ system: key.system, code: key.value }] } }),
      create('urn:uuid:00000000-0000-4000-8000-000000000013', {
        ...derived,
        derivedFrom: [{ reference: mine }, { reference: again }],
      }),
    ],
  }

  it('makes once what a delivery key names, also without conditions; others find it', async () => {
    const rig = await openRig('msw')
    const headers = await enter(rig)
    const alone = { ...derived, identifier: [key] }
    for (const resource of [repeated, repeated, alone])
      await rig.write('POST', '/c3pro/encfhir', await seal(rig, resource), headers)
    const stored = rig.mock.state.resources('Observation')
    const [named, ...others] = stored
    // What has no key and no condition is made each time, and points to the one that has.
    expect(others).toHaveLength(2)
    const reference = `Observation/${named?.id}`
    for (const { derivedFrom } of others) expect(derivedFrom).toEqual([{ reference }, { reference }])
    expect(rig.mock.state.c3pro.received.map(({ outcome }) => outcome)).toEqual([
      'filed',
      'filed',
      'duplicate',
    ])
  })

  it.each([
    [true, 'duplicate', 1],
    [false, 'filed', 2],
  ] as const)('knows a delivery key that came alone: %s', async (deduplicates, outcome, count) => {
    const rig = await openRig('msw', { profiles: { c3pro: { deduplicates } } })
    const headers = await enter(rig)
    const [first] = repeated.entry
    for (const resource of [first?.resource, { ...repeated, entry: [first] }])
      await rig.write('POST', '/c3pro/encfhir', await seal(rig, resource), headers)
    expect(rig.mock.state.c3pro.received).toMatchObject([{ outcome: 'filed' }, { outcome }])
    expect(rig.mock.state.resources('Observation')).toHaveLength(count)
  })

  it('leaves nothing of a transaction with a bad entry', async () => {
    const rig = await openRig('msw')
    const headers = await enter(rig)
    const [first] = reading.entry
    const bad = { ...reading, entry: [first, { resource: { resourceType: 'Basic' }, request: {} }] }
    const answer = await rig.write('POST', '/c3pro/encfhir', await seal(rig, bad), headers)
    expect(answer.status).toBe(200)
    expect(rig.mock.state.c3pro.received).toMatchObject([{ outcome: 'refused' }])
    expect(rig.mock.state.c3pro.received[0]?.reason).toBeDefined()
    expect(rig.mock.state.resources()).toEqual([])
  })

  it('files a transaction as a document when it is like the original', async () => {
    const rig = await openRig('msw', { profiles: { c3pro: { runsTransactions: false } } })
    const headers = await enter(rig)
    await rig.write('POST', '/c3pro/encfhir', await seal(rig, reading), headers)
    expect(rig.mock.state.resources().map(({ resourceType }) => resourceType)).toEqual(['Bundle'])
  })
})

describe('envelopes of the suite jwe', () => {
  it.each([['for one recipient', false] as const, ['for several', true] as const])(
    'are opened, %s',
    async (_name, general) => {
      const rig = await openRig('msw')
      const headers = await enter(rig)
      const aud = `${rig.root}/c3pro/encfhir`
      const envelope = await sealJwe(rig, reading, { aud }, general)
      const answer = await rig.write('POST', '/c3pro/encfhir', envelope, headers)
      expect([answer.status, await answer.text()]).toEqual([200, ''])
      const { received, keyId } = rig.mock.state.c3pro
      expect(received).toMatchObject([{ outcome: 'filed', suite: 'jwe', keyId, envelope }])
      expect(rig.mock.state.resources('Observation')).toHaveLength(1)
    },
  )

  it('are opened by any key that can, whichever is named first', async () => {
    const rig = await openRig('msw')
    const headers = await enter(rig)
    const { keyId: old } = rig.mock.state.c3pro
    rig.mock.state.c3pro.rotateKey()
    const envelope = JSON.parse(
      JSON.stringify(await sealJwe(rig, reading, {}, true)).replace('somebody-else', old),
    ) as object
    await rig.write('POST', '/c3pro/encfhir', envelope, headers)
    const { received, keyId } = rig.mock.state.c3pro
    expect(received).toMatchObject([{ outcome: 'filed', keyId }])
  })

  it('are malformed when the key id is no text', async () => {
    const rig = await openRig('msw')
    const headers = await enter(rig)
    for (const kid of [7, null, {}, ['x'], ' ']) {
      const answer = await rig.write('POST', '/c3pro/encfhir', await sealJwe(rig, reading, { kid }), headers)
      expect([answer.status, (await json(answer))['error']]).toEqual([400, 'invalid_request'])
    }
    expect(rig.mock.state.c3pro.received).toEqual([])
  })

  it('are not opened when they are damaged, made for another place, or by other algorithms', async () => {
    const rig = await openRig('msw')
    const headers = await enter(rig)
    const basic = { resourceType: 'Basic' }
    const good = await sealJwe(rig, basic)
    const bad = [
      { ...good, tag: base64Url(randomBytes(16)) },
      {
        ...good,
        protected: base64Url({
          enc: 'A256GCM',
          alg: 'RSA-OAEP-256',
          kid: rig.mock.state.c3pro.keyId,
          jti: 'x',
        }),
      },
      await sealJwe(rig, basic, { aud: 'https://other.example/encfhir' }),
      await sealJwe(rig, basic, { enc: 'A128GCM' }),
      await sealJwe(rig, basic, { kid: 'never-handed-out' }),
    ]
    for (const envelope of bad) {
      const answer = await rig.write('POST', '/c3pro/encfhir', envelope, headers)
      expect(answer.status).toBe(200)
    }
    expect(rig.mock.state.c3pro.undecryptable).toEqual(bad)
    const nameless = { ...good, protected: base64Url({ enc: 'A256GCM', alg: 'RSA-OAEP-256' }) }
    expect((await rig.write('POST', '/c3pro/encfhir', nameless, headers)).status).toBe(400)
    expect(rig.mock.state.resources()).toEqual([])
  })
})

describe('a receiver that says which keys it does not know', () => {
  it('answers 422 and keeps no record; it still tells nobody why it cannot open a known one', async () => {
    const rig = await openRig('msw', { profiles: { c3pro: { knowsKeys: 'refuse' } } })
    const headers = await enter(rig)
    const strange = [
      await seal(rig, { resourceType: 'Basic' }, { key_id: 'never-handed-out' }),
      await sealJwe(rig, { resourceType: 'Basic' }, { kid: 'never-handed-out' }),
    ]
    for (const envelope of strange) {
      const answer = await rig.write('POST', '/c3pro/encfhir', envelope, headers)
      const { error, error_description: text } = await json(answer)
      expect([answer.status, error, typeof text]).toEqual([422, 'unknown_key', 'string'])
    }
    expect(rig.mock.state.c3pro.received).toEqual([])

    const old = await seal(rig, { resourceType: 'Basic' })
    rig.mock.state.c3pro.rotateKey()
    for (const envelope of [old, { ...old, message: 'AAAA' }])
      expect((await rig.write('POST', '/c3pro/encfhir', envelope, headers)).status).toBe(200)
    expect(rig.mock.state.c3pro.received.map(({ outcome }) => outcome)).toEqual(['filed', 'undecryptable'])
  })
})

describe('the tokens that the receiver takes', () => {
  it.each([
    ['devices', 200, 401, 401],
    ['any', 200, 200, 401],
    ['none', 200, 200, 200],
  ] as const)('are those of %s', async (tokens, ofDevice, ofBackend, without) => {
    const rig = await openRig('msw', { profiles: { c3pro: { tokens } } })
    const device = await enter(rig)
    rig.mock.state.addClient({ clientId: 'backend', secret: 'secret' })
    const issued = await json(
      rig.send('/auth/token', {
        method: 'POST',
        headers: { authorization: `Basic ${btoa('backend:secret')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'system/*.*' }),
      }),
    )
    const backend = { authorization: `Bearer ${String(issued['access_token'])}` }
    const envelope = await seal(rig, { resourceType: 'Basic' })
    const statuses = []
    for (const headers of [device, backend, {}])
      statuses.push((await rig.write('POST', '/c3pro/encfhir', envelope, headers)).status)
    expect(statuses).toEqual([ofDevice, ofBackend, without])
  })
})
