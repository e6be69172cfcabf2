import { createFhirClient } from '@fhir-outbox/fhir-client'
import { describe, expect, it } from 'vitest'
import { laneBySubject, openEncryptedDataQueue } from '../src/index.js'
import { memoryStorage } from '@fhir-outbox/queue-core'
import { hour, world, type World } from './model/time.js'

const patient = { resourceType: 'Patient', active: true }
const observation = (text: string, more: object = {}): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text },
  ...more,
})
const about = (reference: string): object => ({ subject: { reference } })
const bytes = (body: Uint8Array | string | undefined): string =>
  typeof body === 'string' ? body : new TextDecoder().decode(body)

async function run({ queue, time }: World, ms = 1): Promise<void> {
  queue.start()
  await time.pass(ms)
}

describe('references to entries', () => {
  it('become the ids that the server gives, by splicing the stored bytes', async () => {
    const set = world()
    const { queue, server } = set
    const { reference, sequence } = await queue.enqueue(patient)
    expect(reference).toMatch(/^urn:uuid:/)
    await queue.enqueue(
      `{"resourceType":"Observation","status":"final","valueQuantity":{"value":2.50},"subject":{"reference":"${reference}"},"performer":[{"reference":"${reference}"}]}`,
    )
    const sent: string[] = []
    server.mishap = (request, path) => {
      if (path === 'Observation') sent.push(bytes(request.body))
      return undefined
    }
    await run(set)
    const { id } = (await queue.receipt(sequence)) ?? {}
    const stored = JSON.parse(sent[0] ?? '') as Record<string, unknown>
    expect(stored['subject']).toEqual({ reference: id })
    expect(stored['performer']).toEqual([{ reference: id }])
    expect(sent[0]).toContain('"value":2.50')
  })

  it('wait for their targets in other lanes, also over a restart that has forgotten the keys', async () => {
    const set = world()
    const { reference } = await set.queue.enqueue(patient, { lane: 'patients' })
    const other = world(
      {},
      { storage: set.storage, fhir: set.server.client, environment: set.time.environment },
    )
    await other.queue.enqueue(observation('after', about(reference)), { lane: 'observations' })
    set.server.mishap = (_request, path) => (path === 'Patient' ? 'refused' : undefined)
    await run({ ...set, queue: other.queue }, hour)
    expect(set.server.created).toHaveLength(0)
    set.server.mishap = () => undefined
    await set.time.pass(hour)
    expect(
      [...set.server.store.values()].find(({ resource }) => resource.resourceType === 'Observation')
        ?.resource['subject'],
    ).toEqual({
      reference: 'Patient/s1',
    })
  })

  it('are put in at once when the target is delivered already', async () => {
    const set = world()
    const { reference } = await set.queue.enqueue(patient)
    await run(set)
    const { sequence } = await set.queue.enqueue(observation('late', about(reference)))
    expect(bytes((await set.queue.outbox.read(sequence))?.payload)).toContain('"reference":"Patient/s1"')
  })

  it('hold an entry, listed, when the target is dead, and let it go when that is redriven, corrected', async () => {
    const set = world()
    const { queue, time, server } = set
    const { reference, sequence } = await queue.enqueue(observation('poison'))
    const held = await queue.enqueue(observation('held', { derivedFrom: [{ reference }] }))
    await queue.enqueue(observation('free'), { lane: 'another' })
    await run(set)
    expect(server.texts()).toEqual(['free'])
    expect(await queue.outbox.read(held.sequence)).toMatchObject({ state: 'waiting', heldBy: sequence })
    const letters: number[] = []
    for await (const letter of queue.deadLetters()) letters.push(letter.sequence)
    expect(letters).toEqual([sequence])
    await queue.redrive(sequence, {
      actor: 'a person',
      reason: 'corrected',
      resource: observation('antidote'),
    })
    await time.pass(hour)
    expect(server.texts()).toEqual(['free', 'antidote', 'held'])
  })

  it('of a corrected resource are found where they stand now', async () => {
    const set = world()
    const { queue, time, server } = set
    const { reference } = await queue.enqueue(patient)
    const { sequence } = await queue.enqueue(observation('poison', about(reference)))
    await run(set)
    await queue.outbox.redrive(sequence, {
      actor: 'a person',
      reason: 'by hand',
      payload: new TextEncoder().encode(
        JSON.stringify(
          { ...observation('mended', { note: [{ text: 'longer than before' }] }), ...about(reference) },
          null,
          2,
        ),
      ),
    })
    await time.pass(hour)
    expect(server.store.get('Observation/s2')?.resource).toMatchObject({
      code: { text: 'mended' },
      ...about('Patient/s1'),
    })
  })

  it('to nothing that is queued are refused, and so is a sealed one that could not be changed later', async () => {
    const set = world()
    const nowhere = about('urn:uuid:0b4e4f6c-8f5e-4a57-9f3e-0d6c1c0c7a11')
    await expect(set.queue.enqueue(observation('x', nowhere))).rejects.toMatchObject({
      code: 'ERR_UNRESOLVED_REFERENCE',
    })
    const sealed = openEncryptedDataQueue({
      storage: memoryStorage(),
      fhir: set.server.client,
      encryption: {
        client: createFhirClient({ baseUrl: 'https://model.example/envelopes', send: set.server }),
        sealer: { seal: async () => ({}) },
        shouldEncrypt: ({ resourceType }) => resourceType === 'Observation',
      },
    })
    const { reference } = await sealed.enqueue(patient)
    await expect(sealed.enqueue(observation('x', about(reference)))).rejects.toMatchObject({
      code: 'ERR_UNRESOLVED_REFERENCE',
    })
    await sealed.close()
  })

  it('inside a transaction to its own entries are left to the server', async () => {
    const set = world()
    const own = 'urn:uuid:3c5e9d53-1b62-4c8e-9b88-0e5b7a1f9d01'
    const entry = [
      { fullUrl: own, resource: patient, request: { method: 'POST', url: 'Patient' } },
      { resource: observation('in', about(own)), request: { method: 'POST', url: 'Observation' } },
    ]
    await set.queue.enqueue({ resourceType: 'Bundle', type: 'transaction', entry }, { transaction: true })
    await run(set)
    expect(set.server.created).toHaveLength(2)
  })
})

describe('an update', () => {
  it('of what an entry writes takes id and version from its receipt', async () => {
    const set = world()
    const { queue, server } = set
    const first = await queue.enqueue(patient)
    const second = await queue.enqueue({ ...patient, active: false }, { of: first.sequence })
    await queue.enqueue({ ...patient, active: true }, { of: second.sequence })
    const tags: (string | undefined)[] = []
    server.mishap = ({ method, headers }) => {
      if (method === 'PUT') tags.push(new Headers(headers).get('if-match') ?? undefined)
      return undefined
    }
    await run(set)
    expect(tags).toEqual(['W/"1"', 'W/"2"'])
    expect(server.store.get('Patient/s1')).toMatchObject({ version: 3, resource: { id: 's1', active: true } })
  })

  it.each([
    ['park', 'somebody', 'dead'],
    ['overwrite', 'us', 'delivered'],
    ['refetch', 'both', 'delivered'],
  ] as const)('that somebody else came before: %s', async (conflict, name, state) => {
    const set = world({}, { onConflict: ({ mine, current }) => ({ ...current, ...mine, language: 'both' }) })
    const { queue, server } = set
    const first = await queue.enqueue({ ...patient, language: 'first' })
    await run(set)
    server.put('Patient/s1', { ...patient, id: 's1', language: 'somebody' })
    const { sequence } = await queue.enqueue(
      { ...patient, language: 'us' },
      { ifMatch: '1', of: first.sequence, conflict },
    )
    await set.time.pass(hour)
    expect(server.store.get('Patient/s1')?.resource['language']).toBe(name)
    expect(await queue.outbox.settled(sequence)).toMatchObject({ state })
    if (conflict === 'park') {
      expect(await queue.outbox.settled(sequence)).toMatchObject({
        reason: 'parked',
        failure: { code: 'ERR_CONFLICT' },
      })
    }
  })

  it.each(['lost-before', 'lost-after', '500-after'] as const)(
    'whose answer got lost (%s) is applied once',
    async (fate) => {
      const set = world()
      const { queue, server } = set
      const { sequence } = await queue.enqueue(patient)
      await run(set)
      let struck = 0
      server.mishap = ({ method }) => (method === 'PUT' && struck++ === 0 ? fate : undefined)
      const second = await queue.enqueue({ ...patient, active: false }, { of: sequence })
      await set.time.pass(hour)
      expect(await queue.outbox.settled(second.sequence)).toMatchObject({ state: 'delivered' })
      expect(server.store.get('Patient/s1')).toMatchObject({ version: 2, resource: { active: false } })
    },
  )
})

describe('the handle', () => {
  it('deletes by id and by entry, and what is gone already is no failure', async () => {
    const set = world()
    const { queue, server } = set
    const { sequence } = await queue.enqueue(patient)
    server.put('Patient/p9', { ...patient, id: 'p9' })
    await Promise.all([
      queue.delete('Patient', { of: sequence }, { wait: 0 }),
      queue.delete('Patient', 'p9', { wait: 0 }),
      queue.delete('Patient', 'p9', { wait: 0 }),
    ])
    await run(set, hour)
    expect(server.store.size).toBe(0)
    expect(await queue.stats()).toMatchObject({ delivered: 4, dead: 0 })
    await expect(queue.delete('Patient', 'a/b')).rejects.toMatchObject({ code: 'ERR_INVALID_RESOURCE' })
  })

  it('sends a Binary as raw bytes with its content type, and an attachment can refer to it', async () => {
    const set = world()
    const { queue, server } = set
    const raw = Uint8Array.of(0, 255, 1, 254)
    let seen: { body: unknown; type: string | null; path: string } | undefined
    server.mishap = (request, path) => {
      if (!path.startsWith('Binary')) return undefined
      seen = { body: request.body, type: new Headers(request.headers).get('content-type'), path }
      return { status: 201, headers: { location: `https://model.example/fhir/${path}/_history/1` } }
    }
    const { reference, key } = await queue.binary(raw, 'application/pdf', { wait: 0 })
    const document = { resourceType: 'Patient', photo: [{ contentType: 'application/pdf', url: reference }] }
    await queue.enqueue(document)
    await run(set, hour)
    expect(seen).toEqual({ body: raw, type: 'application/pdf', path: `Binary/${key}` })
    const stored = [...server.store.values()][0]?.resource
    expect(stored?.['photo']).toEqual([{ contentType: 'application/pdf', url: `Binary/${key}` }])
  })

  it('forces a plan by option, for all types or by type', async () => {
    const set = world({}, { plan: (type) => (type === 'Patient' ? 'put-client-id' : undefined) })
    const { key } = await set.queue.enqueue(patient)
    await set.queue.enqueue(observation('o'))
    await run(set)
    expect([...set.server.store.keys()]).toEqual([`Patient/${key}`, 'Observation/s1'])
    expect(await set.queue.receipt(1)).toMatchObject({ plan: 'put-client-id' })
  })

  it('takes a parked entry for delivered on somebody\u2019s word, and what waits for it goes', async () => {
    const set = world({ conditionalCreate: 'ignored', clientIds: false, search: 'forbidden' })
    const { queue, server, time } = set
    let struck = 0
    server.mishap = ({ method }) => (method === 'GET' || struck++ > 0 ? undefined : 'lost-after')
    const { sequence } = await queue.enqueue(observation('lost'))
    await queue.enqueue(observation('next'), { after: [sequence] })
    await run(set, hour)
    expect(await queue.outbox.settled(sequence)).toMatchObject({
      reason: 'parked',
      failure: { code: 'ERR_OUTCOME_UNKNOWN' },
    })
    await queue.assumeDelivered(sequence, { actor: 'a person', reason: 'seen at the server' })
    await time.pass(hour)
    expect(server.texts()).toEqual(['lost', 'next'])
  })
})

describe('lanes by subject', () => {
  it.each([
    ['an observation', observation('o', about('Patient/1')), 'Patient/1'],
    ['a patient with an id', { ...patient, id: '1' }, 'Patient/1'],
    ['a patient without one', patient, 'urn:uuid:k'],
    ['a device of nobody', { resourceType: 'Device', id: 'd' }, 'Device/d'],
  ])('%s', (_name, resource, lane) => {
    expect(laneBySubject(resource as Record<string, unknown>, { key: 'k' })).toBe(lane)
  })

  it.each([
    ['a merge', { ...patient, id: '1', link: [{ other: { reference: 'Patient/2' }, type: 'replaces' }] }],
    ['two subjects', observation('o', { subject: [{ reference: 'Patient/1' }, { reference: 'Patient/2' }] })],
    ['a group', { resourceType: 'Group' }],
    ['a provenance', { resourceType: 'Provenance' }],
  ])('%s is refused unless somebody names the lane', async (_name, resource) => {
    const { queue } = world({}, { lane: laneBySubject })
    await expect(queue.enqueue(resource)).rejects.toMatchObject({ code: 'ERR_LANE_AMBIGUOUS' })
    expect(await queue.enqueue(resource, { lane: 'all' })).toMatchObject({ sequence: 1 })
  })

  it('let one patient wait without the others', async () => {
    const set = world({}, { lane: laneBySubject })
    const { queue, server } = set
    for (const text of ['a1', 'b1', 'a2', 'b2'])
      await queue.enqueue(observation(text, about(`Patient/${text[0]}`)))
    server.mishap = ({ body }) => (bytes(body).includes('"a1"') ? { status: 409 } : undefined)
    await run(set)
    expect(server.texts()).toEqual(['b1', 'b2'])
    server.mishap = () => undefined
    await set.time.pass(hour)
    expect(server.texts()).toEqual(['b1', 'b2', 'a1', 'a2'])
  })
})
