import { describe, expect, it } from 'vitest'
import type { ResourceInput } from '../src/json.js'
import { planWrite as planInput, readInput, type PlannedWrite, type PlannerOptions } from '../src/planner.js'

const key = '0b4e4f6c-8f5e-4a57-9f3e-0d6c1c0c7a11'
const fhirUrl = 'https://fhir.example.org/r4'
const options: PlannerOptions = { fhirUrl }
const observation = { resourceType: 'Observation', status: 'final', x_unknown: { kept: [1, null] } }

async function planWrite(
  input: ResourceInput,
  withKey: string,
  planner: PlannerOptions,
  transaction = false,
): Promise<Omit<PlannedWrite, 'body'> & { readonly body: string }> {
  const planned = await planInput(readInput(input, transaction), withKey, planner)
  return { ...planned, body: String(planned.body) }
}

const failing = (code: string): object => expect.objectContaining({ code })

describe('a bare resource', () => {
  it('without an id is a conditional POST on its key', async () => {
    const planned = await planWrite(observation, key, options)
    expect(planned).toMatchObject({ gate: fhirUrl, lane: fhirUrl, encrypted: false })
    expect(planned.plan).toMatchObject({ name: 'conditional-create', guarantee: 'once-or-parked' })
    expect(planned.header).toEqual({
      method: 'POST',
      path: 'Observation',
      headers: {},
      plan: 'conditional-create',
      resourceType: 'Observation',
      place: 'identifier',
    })
    expect(JSON.parse(planned.body)).toEqual({
      ...observation,
      identifier: [{ system: 'urn:ietf:rfc:3986', value: `urn:uuid:${key}` }],
    })
  })

  it('with an id is a PUT of exactly what came', async () => {
    const patient = { resourceType: 'Patient', id: 'p-1', identifier: [{ value: 'mine' }] }
    const planned = await planWrite(patient, key, options)
    expect(planned.header).toMatchObject({
      method: 'PUT',
      path: 'Patient/p-1',
      headers: {},
      plan: 'put-client-id',
    })
    expect(JSON.parse(planned.body)).toEqual(patient)
  })

  it('gets only an id when the key is the id', async () => {
    const planned = await planWrite(observation, key, { fhirUrl, key: 'client-id' })
    expect(planned.header).toMatchObject({ method: 'PUT', path: `Observation/${key}`, plan: 'put-client-id' })
    expect(JSON.parse(planned.body)).toEqual({ ...observation, id: key })
  })

  it('keeps the spelling of its numbers when it comes as text', async () => {
    const text = '{"resourceType":"Observation","id":"o","valueQuantity":{"value":2.0,"x":1.50e3}}'
    expect((await planWrite(text, key, options)).body).toBe(text)
  })

  it.each([
    ['no JSON', '{"resourceType":'],
    ['a list', '[]'],
    ['no type', '{"status":"final"}'],
    ['a path as type', { resourceType: 'Patient/1' }],
    ['an id that is none', { resourceType: 'Patient', id: 'a/b' }],
    ['a numeric id', { resourceType: 'Patient', id: 7 }],
  ])('that is %s is refused', async (_name, input) => {
    await expect(planWrite(input, key, options)).rejects.toEqual(failing('ERR_INVALID_RESOURCE'))
  })

  it('says nothing of its content when it is refused', async () => {
    const error: unknown = await planWrite('{"secret-marker', key, options).catch((reason: unknown) => reason)
    expect(String(error)).not.toContain('secret-marker')
  })
})

describe('a transaction', () => {
  const bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      {
        fullUrl: 'urn:uuid:3c5e9d53-1b62-4c8e-9b88-0e5b7a1f9d01',
        resource: { resourceType: 'Patient', identifier: [{ system: 'a', value: 'b' }] },
        request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=a|b' },
      },
      { resource: observation, request: { method: 'POST', url: 'Observation' } },
      { resource: { resourceType: 'Device', id: 'd' }, request: { method: 'PUT', url: 'Device/d' } },
      { request: { method: 'DELETE', url: 'Device/e' } },
    ],
  }

  it('gives each unconditional create a key of its own and touches nothing else', async () => {
    const planned = await planWrite(bundle, key, options, true)
    const sent: typeof bundle = JSON.parse(planned.body)
    expect(planned.header).toMatchObject({ method: 'POST', path: '', entries: 4, plan: 'conditional-create' })
    expect(sent.entry[0]).toEqual(bundle.entry[0])
    expect(sent.entry[2]).toEqual(bundle.entry[2])
    expect(sent.entry[3]).toEqual(bundle.entry[3])
    const created = sent.entry[1]
    const { resource } = created as unknown as { resource: { identifier: { value: string }[] } }
    const [identifier] = resource.identifier
    expect(identifier?.value).toMatch(/^urn:uuid:[0-9a-f-]{36}$/)
    expect(identifier?.value).not.toContain(key)
    expect(created?.request.ifNoneExist).toBe(
      `identifier=${encodeURIComponent(`urn:ietf:rfc:3986|${identifier?.value ?? ''}`)}`,
    )
    expect((await planWrite(bundle, key, options, true)).body).toBe(planned.body)
  })

  it('puts creates to ids of their own when the key is the id', async () => {
    const planned = await planWrite(bundle, key, { fhirUrl, key: 'client-id' }, true)
    const sent: typeof bundle = JSON.parse(planned.body)
    const { resource } = sent.entry[1] as unknown as { resource: { id: string } }
    const { id } = resource
    expect(sent.entry[1]?.request).toEqual({ method: 'PUT', url: `Observation/${id}` })
    expect(sent.entry[0]).toEqual(bundle.entry[0])
  })

  it('is called at-least-once when an entry does not meet its own condition', async () => {
    const [patient, ...rest] = bundle.entry
    const entry = [
      { ...patient, request: { ...patient?.request, ifNoneExist: 'identifier=a|other' } },
      ...rest,
    ]
    const planned = await planWrite({ ...bundle, entry }, key, options, true)
    expect(planned.plan).toMatchObject({
      name: 'at-least-once',
      guarantee: 'once-or-parked',
      unknown: 'park',
      reason: expect.stringContaining('entry 0'),
    })
    expect(JSON.parse(planned.body).entry[0]).toEqual(entry[0])
  })

  it.each([
    ['without a request', [{ resource: observation }]],
    ['with a PATCH', [{ resource: observation, request: { method: 'PATCH', url: 'Observation/1' } }]],
    ['that posts to an operation', [{ resource: observation, request: { method: 'POST', url: '$process' } }]],
    ['without a resource', [{ request: { method: 'POST', url: 'Observation' } }]],
  ])('with an entry %s is refused and the entry named', async (_name, entry) => {
    const refused = planWrite({ resourceType: 'Bundle', type: 'transaction', entry }, key, options, true)
    await expect(refused).rejects.toEqual(failing('ERR_INVALID_BUNDLE'))
    await expect(refused).rejects.toThrow(/Entry 0/)
  })

  it('needs entries and the right type', async () => {
    for (const input of [
      { resourceType: 'Bundle', type: 'transaction' },
      { resourceType: 'Bundle', type: 'batch' },
      observation,
    ]) {
      await expect(planWrite(input, key, options, true)).rejects.toEqual(failing('ERR_INVALID_BUNDLE'))
    }
  })
})

describe('what must be encrypted', () => {
  const encrypting: PlannerOptions = {
    fhirUrl,
    encryption: {
      url: 'https://c3.example.org/encfhir',
      shouldEncrypt: (resource) => resource['resourceType'] === 'Observation',
    },
  }

  it('goes to the encrypted endpoint in the same lane, with the key inside and nothing on the path', async () => {
    const planned = await planWrite(observation, key, { ...encrypting, key: 'client-id' })
    expect(planned).toMatchObject({ encrypted: true, lane: fhirUrl, gate: 'https://c3.example.org/encfhir' })
    expect(planned.header).toEqual({
      method: 'POST',
      path: '',
      headers: {},
      plan: 'at-least-once',
      fixed: true,
    })
    expect(JSON.parse(planned.body)).not.toHaveProperty('id')
    expect(planned.body).toContain(`urn:uuid:${key}`)
  })

  it('is delivered once where the receiver deduplicates, and the plan says so', async () => {
    const encryption = { url: 'https://c3.example.org/encfhir', receiver: 'deduplicates' as const }
    const { plan } = await planWrite(observation, key, { fhirUrl, encryption })
    expect(plan).toMatchObject({ name: 'receiver-deduplicates', guarantee: 'once' })
  })

  it('leaves the rest in clear', async () => {
    expect(await planWrite({ resourceType: 'Device' }, key, encrypting)).toMatchObject({
      encrypted: false,
      gate: fhirUrl,
    })
  })

  const transaction = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [{ resource: observation, request: { method: 'POST', url: 'Observation' } }],
  }

  it('is refused as an update or inside a transaction, never sent in clear', async () => {
    const update = { ...observation, id: 'o' }
    await expect(planWrite(update, key, encrypting)).rejects.toEqual(failing('ERR_CANNOT_ENCRYPT'))
    await expect(planWrite(transaction, key, encrypting, true)).rejects.toEqual(failing('ERR_CANNOT_ENCRYPT'))
  })
  it('is asked about by the method that it has inside a transaction', async () => {
    const shouldEncrypt = (_resource: object, method: 'POST' | 'PUT'): boolean => method === 'PUT'
    const entry = [
      { resource: { ...observation, id: 'o' }, request: { method: 'PUT', url: 'Observation/o' } },
    ]
    const encryption = { url: 'https://c3.example.org/encfhir', shouldEncrypt }
    await expect(planWrite({ ...transaction, entry }, key, { fhirUrl, encryption }, true)).rejects.toEqual(
      failing('ERR_CANNOT_ENCRYPT'),
    )
  })

  describe('inside a transaction that the receiver runs', () => {
    const encryption = {
      ...encrypting.encryption,
      url: 'https://c3.example.org/encfhir',
      receiver: 'deduplicates' as const,
      receiverRunsTransactions: true,
    }

    it('takes the whole transaction along, each create under a condition of its own', async () => {
      const planned = await planWrite(transaction, key, { fhirUrl, encryption }, true)
      expect(planned).toMatchObject({
        encrypted: true,
        gate: encryption.url,
        plan: { name: 'receiver-deduplicates', guarantee: 'once' },
        header: { method: 'POST', path: '', plan: 'receiver-deduplicates', fixed: true },
      })
      expect(JSON.parse(planned.body)).toMatchObject({
        resourceType: 'Bundle',
        entry: [{ request: { ifNoneExist: expect.stringMatching(/^identifier=urn/) } }],
      })
    })

    it('promises nothing for a create that its own condition does not protect', async () => {
      const [create] = transaction.entry
      const doubtful = {
        ...transaction,
        entry: [
          { ...create, request: { method: 'POST', url: 'Observation', ifNoneExist: 'identifier=a|b' } },
        ],
      }
      const { plan } = await planWrite(doubtful, key, { fhirUrl, encryption }, true)
      expect(plan).toMatchObject({ name: 'at-least-once', guarantee: 'may-duplicate' })
    })

    it('leaves a transaction without anything secret in clear', async () => {
      const open = {
        ...transaction,
        entry: [{ resource: { resourceType: 'Device' }, request: { method: 'POST', url: 'Device' } }],
      }
      expect(await planWrite(open, key, { fhirUrl, encryption }, true)).toMatchObject({
        encrypted: false,
        gate: fhirUrl,
      })
    })
  })
})
