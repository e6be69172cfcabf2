import { describe, expect, it } from 'vitest'
import { createSealer } from '@fhir-outbox/envelope-crypto'
import { memoryStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import { observation } from './bench.js'
import { answers, fhirUrl, keyPair, lockable, receiver, sealedUrl, sealerFor } from './model/receiver.js'

const [[firstRecipient, firstKey], [secondRecipient, secondKey]] = [await keyPair('k1'), await keyPair('k2')]
const sealer = createSealer({ recipient: firstRecipient })

/** Everything a storage keeps of an entry. */
async function stored(storage: QueueStorage, sequence: number): Promise<string> {
  const entry = await storage.read(sequence)
  return JSON.stringify([entry?.lane, entry?.gate]) + text(entry?.header) + text(entry?.payload)
}
const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)

describe('the envelope of an entry', () => {
  it('is bound to its key and its destination, and the URL tells nothing', async () => {
    const world = receiver()
    world.keys.set('k1', firstKey)
    const queue = world.queue(world.encryption(sealer))
    const { key } = await queue.enqueue(answers('bound'))
    expect(await queue.flush()).toMatchObject({ delivered: 1 })
    expect(world.opened).toMatchObject([{ keyId: 'k1', key, destination: sealedUrl }])
    expect(world.urls).toEqual([sealedUrl])
  })

  it('goes to a path with the type where a receiver of C3-PRO is to see it', async () => {
    const world = receiver()
    world.keys.set('k1', firstKey)
    const queue = world.queue(world.encryption(sealer, { typeInPath: true }))
    expect(await queue.preview(answers('x'))).toMatchObject({ url: `${sealedUrl}/QuestionnaireResponse` })
    await queue.enqueue(answers('x'))
    expect(await queue.flush()).toMatchObject({ delivered: 1 })
    expect(world.urls).toEqual([`${sealedUrl}/QuestionnaireResponse`])
  })

  it.each([
    ['an update', { ...answers('x'), id: 'a' }],
    ['text of an update', JSON.stringify({ ...answers('x'), id: 'a' })],
  ])('is refused at once for %s: the endpoint takes only POST', async (_, resource) => {
    const world = receiver()
    const queue = world.queue(world.encryption(sealer))
    await expect(queue.enqueue(resource)).rejects.toMatchObject({ code: 'ERR_CANNOT_ENCRYPT' })
    expect(await queue.stats()).toMatchObject({ accepted: 0 })
  })
})

describe('a receiver that no longer knows the key', () => {
  it.each([
    [422, '{"error":"unknown_key"}'],
    [400, '{"error":"invalid_request","error_description":"No private key for this key_id"}'],
    [404, '{"error":"key not found"}'],
    [500, '{"message":"Unknown key id k1"}'],
    [200, "{'error':'key_id unknown'}"],
    [
      422,
      '{"resourceType":"OperationOutcome","issue":[{"code":"not-found","details":{"text":"Unknown key"}}]}',
    ],
  ])('closes the gate by %i %s, and nothing is dead-lettered', async (status, body) => {
    const world = receiver()
    world.keys.set('k1', firstKey)
    world.answer = { status, body }
    const queue = world.queue(world.encryption(sealer))
    await queue.enqueue(answers('first'))
    await queue.enqueue(observation('second'))
    for (let round = 0; round < 8; round++) {
      expect(await queue.flush()).toMatchObject({ delivered: 0, waiting: 2 })
    }
    expect(queue.outbox.gates()).toMatchObject([
      { gate: sealedUrl, state: 'closed', needsPerson: true, failure: { code: 'ERR_UNKNOWN_KEY', status } },
    ])
    expect(await queue.stats()).toMatchObject({ dead: 0 })
    // The key is back: everything arrives, in the order of the lane across both endpoints.
    world.answer = undefined
    expect(await queue.flush()).toMatchObject({ delivered: 2, waiting: 0 })
    expect(world.filed).toEqual(['first', 'second'])
    expect(world.urls.at(-1)).toBe(`${fhirUrl}/Observation`)
  })

  it.each([400, 403, 404, 405, 410])(
    'is assumed at a plain %i, too: no envelope is to blame',
    async (status) => {
      const world = receiver()
      world.keys.set('k1', firstKey)
      world.answer = { status }
      const queue = world.queue(world.encryption(sealer))
      await queue.enqueue(answers('x'))
      for (let round = 0; round < 6; round++) await queue.flush()
      expect(await queue.stats()).toMatchObject({ dead: 0, waiting: 1 })
      world.answer = undefined
      expect(await queue.flush()).toMatchObject({ delivered: 1 })
    },
  )

  it.each([
    [413, ''],
    [
      422,
      '{"resourceType":"OperationOutcome","issue":[{"code":"required","diagnostics":"status is missing"}]}',
    ],
  ])('is something else than a refused resource: %i %s', async (status, body) => {
    const world = receiver()
    world.keys.set('k1', firstKey)
    world.answer = { status, body }
    const queue = world.queue(world.encryption(sealer))
    await queue.enqueue(answers('bad'))
    await queue.enqueue(observation('good'))
    expect(await queue.flush()).toMatchObject({ delivered: 1, dead: 1 })
  })
})

describe('a key that the receiver has lost for good', () => {
  it('costs nothing but what it sealed: that is withdrawn, the lane goes on, and the content is queued anew', async () => {
    const world = receiver()
    world.keys.set('k2', secondKey)
    let current = firstRecipient
    const queue = world.queue(world.encryption(sealerFor(() => current)))
    const { key } = await queue.enqueue(answers('sealed too early'))
    await queue.enqueue(observation('behind it'))
    current = secondRecipient
    await queue.enqueue(answers('sealed for the new key'))
    expect(await queue.flush()).toMatchObject({ delivered: 0, waiting: 3 })
    for await (const { sequence, gate } of queue.outbox.list({ state: 'waiting' })) {
      const payload = gate === sealedUrl ? text((await queue.outbox.read(sequence))?.payload) : '{}'
      const { protected: head = '' } = JSON.parse(payload) as { readonly protected?: string }
      if (!Buffer.from(head, 'base64url').toString().includes('"kid":"k1"')) continue
      await queue.outbox.withdraw(sequence, { actor: 'anna', reason: 'key k1 is lost' })
    }
    await queue.enqueue(answers('sealed too early'), { key })
    expect(await queue.flush()).toMatchObject({ delivered: 3, waiting: 0 })
    expect(world.filed).toEqual(['behind it', 'sealed for the new key', 'sealed too early'])
  })
})

describe('a success that carries an error', () => {
  it.each([
    "{'error':'queue is full'}",
    '{"error":"queue is full"}',
    '{"errors":["queue is full"]}',
    '{"error":["queue is full"]}',
    '{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception"}]}',
    '<html>login</html>',
  ])('is none: %s', async (body) => {
    const world = receiver()
    world.keys.set('k1', firstKey)
    world.answer = { status: 200, body }
    const queue = world.queue(world.encryption(sealer))
    await queue.enqueue(answers('x'))
    expect(await queue.flush()).toMatchObject({ delivered: 0, waiting: 1 })
    world.answer = undefined
    expect(await queue.flush()).toMatchObject({ delivered: 1 })
    expect(world.filed).toEqual(['x'])
  })

  it.each(['', '{}', '{"errors":[]}', '{"id":"17"}'])('is told from a plain one: %s', async (body) => {
    const world = receiver()
    world.answer = { status: 200, body }
    const queue = world.queue(world.encryption(sealer))
    await queue.enqueue(answers('x'))
    expect(await queue.flush()).toMatchObject({ delivered: 1 })
  })
})

describe("sealAt: 'send'", () => {
  it('needs a storage that is sealed', () => {
    const world = receiver()
    expect(() => world.queue(world.encryption(sealer, { sealAt: 'send' }))).toThrow(
      expect.objectContaining({ code: 'ERR_STORAGE_NOT_SEALED' }),
    )
    const { storage } = lockable(memoryStorage())
    const same = {
      ...world.encryption(sealer),
      client: { ...world.encryption(sealer).client, baseUrl: fhirUrl },
    }
    expect(() => world.queue(same, storage)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }))
  })

  it('seals for the key of the day, stores no plaintext, and keeps the order', async () => {
    const world = receiver()
    let current = firstRecipient
    const below = memoryStorage()
    const { storage } = lockable(below)
    const encryption = world.encryption(
      sealerFor(() => current),
      { sealAt: 'send' },
    )
    const queue = world.queue(encryption, storage)
    const { sequence, key } = await queue.enqueue(answers('MARKER'))
    await queue.enqueue(observation('after'))
    expect(await stored(below, sequence)).not.toContain('MARKER')
    expect(await stored(storage, sequence)).toContain('MARKER')
    // The receiver has only the new key; the entry waits, and then leaves under it.
    world.keys.set('k2', secondKey)
    expect(await queue.flush()).toMatchObject({ delivered: 0, waiting: 2 })
    current = secondRecipient
    expect(await queue.flush()).toMatchObject({ delivered: 2 })
    expect(world.opened).toMatchObject([{ keyId: 'k2', key, destination: sealedUrl }])
    expect(world.filed).toEqual(['MARKER', 'after'])
    expect(world.bodies.join()).not.toContain('MARKER')
  })

  it('can refer to what is not delivered yet', async () => {
    const world = receiver()
    world.keys.set('k1', firstKey)
    const queue = world.queue(world.encryption(sealer, { sealAt: 'send' }), lockable(memoryStorage()).storage)
    const { reference } = await queue.enqueue(observation('device'))
    await queue.enqueue({ ...answers('later'), subject: { reference } })
    expect(await queue.flush()).toMatchObject({ delivered: 2 })
    expect(text(world.opened[0]?.plaintext)).toContain('"reference":"Observation/1"')
    // What is sealed at enqueue cannot be changed any more.
    const fixed = world.queue(world.encryption(sealer))
    const early = await fixed.enqueue(observation('device'))
    await expect(
      fixed.enqueue({ ...answers('x'), subject: { reference: early.reference } }),
    ).rejects.toMatchObject({ code: 'ERR_UNRESOLVED_REFERENCE' })
  })

  it.each([
    ['ERR_NO_VALID_RECIPIENT', true],
    ['ERR_CERTIFICATE_EXPIRED', true],
    ['ERR_KEYS_UNREACHABLE', false],
  ])('waits while there is no key: %s', async (code, needsPerson) => {
    const world = receiver()
    world.keys.set('k1', firstKey)
    let away = true
    const moody = {
      seal: (...given: Parameters<typeof sealer.seal>) =>
        away ? Promise.reject(Object.assign(new Error('no key'), { code })) : sealer.seal(...given),
    }
    const queue = world.queue(world.encryption(moody, { sealAt: 'send' }), lockable(memoryStorage()).storage)
    await queue.enqueue(answers('x'))
    for (let round = 0; round < 8; round++) expect(await queue.flush()).toMatchObject({ dead: 0, waiting: 1 })
    expect(queue.outbox.gates()).toMatchObject([{ state: 'closed', needsPerson, failure: { code } }])
    expect(world.urls).toEqual([])
    away = false
    expect(await queue.flush()).toMatchObject({ delivered: 1 })
  })

  it('never lets out in clear what another queue was to seal', async () => {
    const world = receiver()
    const { storage } = lockable(memoryStorage())
    const encryption = world.encryption(sealer, { sealAt: 'send' })
    await world.queue(encryption, storage).enqueue(answers('x'))
    // A queue whose receiver changed its mind, over the same storage: what is stored keeps what was decided for it.
    world.keys.set('k1', firstKey)
    const other = world.queue(world.encryption(sealer, { shouldEncrypt: () => false }), storage)
    expect(await other.flush()).toMatchObject({ delivered: 1 })
    expect(world.urls).toEqual([sealedUrl])
    expect(world.bodies.join()).not.toContain('linkId')
  })
})

describe('a dead letter', () => {
  it('is corrected for its own endpoint only', async () => {
    const world = receiver()
    world.keys.set('k1', firstKey)
    world.answer = { status: 413 }
    const queue = world.queue(world.encryption(sealer))
    const { sequence } = await queue.enqueue(answers('large'))
    await queue.flush()
    world.answer = undefined
    const by = { actor: 'a', reason: 'b' }
    await expect(queue.redrive(sequence, { ...by, resource: observation('clear') })).rejects.toMatchObject({
      code: 'ERR_CANNOT_ENCRYPT',
    })
    await queue.redrive(sequence, { ...by, resource: answers('small') })
    expect(await queue.flush()).toMatchObject({ delivered: 1 })
    expect(world.filed).toEqual(['small'])
  })
})

describe('a locked key', () => {
  it('of the records: nothing is accepted in clear, delivery waits, nothing is dead-lettered', async () => {
    const world = receiver()
    world.keys.set('k1', firstKey)
    const below = memoryStorage()
    const key = lockable(below)
    const queue = world.queue(world.encryption(sealer, { sealAt: 'send' }), key.storage)
    await queue.enqueue(answers('before'))
    key.lock()
    await expect(queue.enqueue(answers('meanwhile'))).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    await expect(queue.flush()).rejects.toMatchObject({ code: 'ERR_KEY_LOCKED' })
    expect(await below.stats()).toMatchObject({ accepted: 1, waiting: 1, dead: 0 })
    expect(world.urls).toEqual([])
    key.locked = false
    expect(await queue.flush()).toMatchObject({ delivered: 1, dead: 0 })
    expect(world.filed).toEqual(['before'])
  })

  it('of the receiver: the public key is enough to accept and to deliver', async () => {
    const world = receiver()
    const queue = world.queue(world.encryption(sealer))
    await queue.enqueue(answers('kept'))
    expect(await queue.flush()).toMatchObject({ delivered: 0, waiting: 1, dead: 0 })
    await queue.enqueue(answers('more'))
    world.keys.set('k1', firstKey)
    expect(await queue.flush()).toMatchObject({ delivered: 2 })
    expect(world.filed).toEqual(['kept', 'more'])
  })
})
