import { describe, expect, it } from 'vitest'
import { arrived, bench, observation, wires } from './bench.js'

describe.each(wires)('delivery over %s', (wire) => {
  it('delivers a create once, with its key, and tells id and version', async () => {
    const { mock, open } = await bench(wire)
    const result = await open().create(observation('one'))
    expect(result).toMatchObject({ state: 'delivered', status: 201, version: '1', alreadyThere: false })
    const [stored] = mock.state.resources('Observation')
    expect(result).toMatchObject({ id: `Observation/${String(stored?.id)}` })
    expect(stored?.['identifier']).toEqual([{ system: 'urn:ietf:rfc:3986', value: `urn:uuid:${result.key}` }])
  })

  it('keeps the order of creation, also for an update between creates', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    const texts = Array.from({ length: 12 }, (_, index) => `n${index}`)
    for (const text of texts)
      await queue.enqueue({ ...observation(text), ...(text === 'n5' ? { id: 'five' } : {}) })
    expect(await queue.flush()).toMatchObject({ delivered: 12, waiting: 0, dead: 0 })
    expect(arrived(mock)).toEqual(texts)
  })

  it('finds what a lost reply had already created', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    mock.faults.add({ method: 'POST', url: /Observation/, fault: { kind: 'cut-after' } })
    queue.start()
    expect(await queue.create(observation('lost reply'))).toMatchObject({
      state: 'delivered',
      status: 200,
      alreadyThere: true,
    })
    expect(arrived(mock)).toEqual(['lost reply'])
  })

  it('finds what a lost reply had already put under a client id', async () => {
    const { mock, open } = await bench(wire)
    const queue = open({ key: 'client-id' })
    mock.faults.add({ method: 'PUT', fault: { kind: 'cut-after' } })
    queue.start()
    const result = await queue.create(observation('put'))
    expect(result).toMatchObject({ state: 'delivered', id: `Observation/${result.key}` })
    expect(mock.state.resources('Observation')).toHaveLength(1)
  })

  it('repeats a transaction whose reply was lost without doubling anything', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    mock.faults.add({ method: 'POST', url: /\/fhir$/, fault: { kind: 'cut-after' } })
    queue.start()
    const patient = 'urn:uuid:3c5e9d53-1b62-4c8e-9b88-0e5b7a1f9d01'
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          fullUrl: patient,
          resource: { resourceType: 'Patient' },
          request: { method: 'POST', url: 'Patient' },
        },
        ...['a', 'b', 'c'].map((text) => ({
          resource: { ...observation(text), subject: { reference: patient } },
          request: { method: 'POST', url: 'Observation' },
        })),
      ],
    }
    expect(await queue.transaction(bundle)).toMatchObject({ state: 'delivered', alreadyThere: true })
    expect(mock.state.resources('Patient')).toHaveLength(1)
    expect(mock.state.commits).toHaveLength(4)
    const id = mock.state.resources('Patient')[0]?.id
    expect(mock.state.resources('Observation').map((one) => one['subject'])).toEqual([
      { reference: `Patient/${String(id)}` },
      { reference: `Patient/${String(id)}` },
      { reference: `Patient/${String(id)}` },
    ])
  })

  it('sends again what was certainly cut before', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    mock.faults.add({ method: 'POST', url: /Observation/, times: 2, fault: { kind: 'cut-before' } })
    queue.start()
    expect(await queue.create(observation('cut'))).toMatchObject({ state: 'delivered', status: 201 })
    expect(arrived(mock)).toEqual(['cut'])
  })

  it('keeps a refused resource as a dead letter and lets the rest pass', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    const refusal = {
      kind: 'status' as const,
      status: 422,
      body: JSON.stringify({
        resourceType: 'OperationOutcome',
        issue: [{ severity: 'error', code: 'invariant', expression: ['Observation.status'] }],
      }),
    }
    mock.faults.add({ method: 'POST', url: /Observation/, fault: refusal })
    const results = await Promise.all([queue.create(observation('bad')), queue.create(observation('good'))])
    expect(results[0]).toMatchObject({
      state: 'rejected',
      failure: { status: 422, issues: [{ code: 'invariant', path: 'Observation.status' }] },
    })
    expect(results[1]).toMatchObject({ state: 'delivered' })
    expect(await queue.stats()).toMatchObject({ accepted: 2, delivered: 1, dead: 1, waiting: 0 })
    expect(arrived(mock)).toEqual(['good'])
  })

  it('refreshes an expired token and replays with the same key', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    await queue.create(observation('first'))
    mock.state.expireTokens()
    expect(await queue.create(observation('second'))).toMatchObject({ state: 'delivered' })
    expect(arrived(mock)).toEqual(['first', 'second'])
  })

  it('closes the gate when throttled, spends nobody, and delivers when it may', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    const throttle = { kind: 'status' as const, status: 429, headers: { 'Retry-After': '1' } }
    const fault = mock.faults.add({ method: 'POST', url: /Observation/, times: 3, fault: throttle })
    const first = await queue.create(observation('patient'))
    expect(first).toMatchObject({ state: 'queued', reason: { status: 429 } })
    queue.start()
    await queue.outbox.settled(first.sequence)
    expect(fault.hits).toBe(3)
    const entry = await queue.outbox.read(first.sequence)
    expect(entry).toMatchObject({ state: 'delivered', attempts: 0 })
  })

  it('never sends the same thing blindly after a 5xx, yet delivers it once', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    mock.faults.add({
      method: 'POST',
      url: /Observation/,
      fault: { kind: 'status', status: 502, processed: true },
    })
    queue.start()
    expect(await queue.create(observation('gateway'))).toMatchObject({
      state: 'delivered',
      alreadyThere: true,
    })
    expect(arrived(mock)).toEqual(['gateway'])
  })

  it('adds nothing for a key that is known', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    const key = '0b4e4f6c-8f5e-4a57-9f3e-0d6c1c0c7a11'
    const first = await queue.enqueue(observation('once'), { key, once: true })
    await queue.flush()
    const again = await queue.enqueue(observation('once'), { key, once: true })
    expect(again).toEqual({ ...first, duplicate: true })
    await queue.flush()
    expect(arrived(mock)).toEqual(['once'])
  })

  it('accepts many or none', async () => {
    const { open } = await bench(wire)
    const queue = open()
    await expect(
      queue.enqueueAll([{ resource: observation('fine') }, { resource: {} }]),
    ).rejects.toMatchObject({
      code: 'ERR_INVALID_RESOURCE',
    })
    expect(await queue.stats()).toMatchObject({ accepted: 0 })
  })

  it('answers "queued" at once with wait 0, and an aborted wait leaves the entry accepted', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    expect(await queue.create(observation('later'), { wait: 0 })).toMatchObject({ state: 'queued' })
    mock.faults.add({ method: 'POST', url: /Observation/, fault: { kind: 'hang' } })
    const abort = new AbortController()
    const waiting = queue.create(observation('aborted'), { signal: abort.signal })
    abort.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    await queue.stop()
    expect(await queue.create(observation('while stopped'))).toMatchObject({ state: 'queued' })
    mock.faults.clear()
    await queue.flush()
    expect(arrived(mock)).toContain('while stopped')
  })

  it('passes reads and searches through', async () => {
    const { open } = await bench(wire)
    const queue = open()
    const { key, ...written } = await queue.create(observation('read me'))
    const id = 'id' in written ? String(written.id).split('/')[1] : ''
    expect((await queue.read('Observation', id ?? '')).resource).toMatchObject({ code: { text: 'read me' } })
    const found = await queue.search('Observation', { identifier: `urn:ietf:rfc:3986|urn:uuid:${key}` })
    expect(found.matches).toHaveLength(1)
  })

  it('never sends an entry to another server than it was queued for', async () => {
    const { mock, open } = await bench(wire)
    const queue = open()
    await queue.outbox.enqueue({
      lane: 'x',
      key: '0b4e4f6c-8f5e-4a57-9f3e-0d6c1c0c7a11',
      gate: 'https://old.example/fhir',
      header: new TextEncoder().encode(
        '{"v":1,"method":"POST","path":"Observation","headers":{},"plan":"at-least-once"}',
      ),
      payload: new TextEncoder().encode('{"resourceType":"Observation"}'),
    })
    expect(await queue.flush()).toMatchObject({
      delivered: 0,
      waiting: 1,
      blockedBy: { code: 'ERR_INVALID_URL' },
    })
    expect(mock.state.commits).toHaveLength(0)
  })
})

describe('a server that is away', () => {
  it('costs nothing, and everything arrives in order when it is back', async () => {
    const { mock, open, pause, resume } = await bench('socket')
    const queue = open()
    await queue.create(observation('before'))
    await pause()
    const texts = ['w0', 'w1', 'w2', 'w3']
    for (const text of texts) {
      expect(await queue.create(observation(text))).toMatchObject({
        state: 'queued',
        reason: { code: expect.stringMatching(/^ERR_/) },
      })
    }
    expect(await queue.stats()).toMatchObject({ waiting: 4, delivered: 1, dead: 0 })
    expect(await queue.outbox.read(3)).toMatchObject({ attempts: 0 })
    await resume()
    queue.start()
    await queue.outbox.settled(5)
    expect(arrived(mock)).toEqual(['before', ...texts])
  })
})
