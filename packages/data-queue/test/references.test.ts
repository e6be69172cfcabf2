import { describe, expect, it } from 'vitest'
import { memoryStorage } from '@fhir-outbox/queue-core'
import { encodeHeader } from '../src/header.js'
import { waitsForMore } from '../src/links.js'
import { referenceOffsets, spliceReferences } from '../src/references.js'
import { world } from './model/time.js'

const key = '0b4e4f6c-8f5e-4a57-9f3e-0d6c1c0c7a11'

describe('a local reference', () => {
  it.each(['Patient/1', 'Patient/a"b', 'Patient/a\\', 'Patient/ä'])(
    'becomes %s, which stays JSON',
    (text) => {
      const stored = { subject: { reference: `urn:uuid:${key}` }, note: [{ text: `urn:uuid:${key}` }] }
      const payload = new TextEncoder().encode(JSON.stringify(stored))
      const replacements = referenceOffsets(payload, key).map((offset) => ({ offset, text }))
      const spliced: unknown = JSON.parse(new TextDecoder().decode(spliceReferences(payload, replacements)))
      expect(spliced).toEqual({ ...stored, subject: { reference: text } })
    },
  )

  it('is not what a canonical URL is, which only looks like one', async () => {
    const { queue, server, time } = world()
    const url = `urn:uuid:${key}`
    const extension = [{ url, valueBoolean: true }]
    const contact = [{ url }]
    await queue.enqueue({
      resourceType: 'QuestionnaireResponse',
      status: 'completed',
      url,
      extension,
      contact,
    })
    queue.start()
    await time.pass(1)
    expect([...server.store.values()].map(({ resource }) => resource)).toMatchObject([
      { url, extension, contact },
    ])
  })

  it('in a reference to what nobody knows is refused', async () => {
    const { queue } = world()
    const subject = { reference: `urn:uuid:${key}` }
    await expect(
      queue.enqueue({ resourceType: 'Observation', status: 'final', url: `urn:uuid:${key}`, subject }),
    ).rejects.toMatchObject({ code: 'ERR_UNRESOLVED_REFERENCE' })
  })

  it('of another kind costs one look through the queue, not one for every write', async () => {
    const storage = memoryStorage()
    let passes = 0
    const list: typeof storage.list = async (query) => {
      if (query.after === 0) passes++
      return await storage.list(query)
    }
    const { queue } = world({}, { storage: { ...storage, list } })
    const [first] = await queue.enqueueAll([{ resource: { resourceType: 'Patient' } }])
    passes = 0
    for (let digit = 1; digit < 5; digit++) {
      const url = key.replace(/.$/, String(digit))
      await queue.enqueue({ resourceType: 'Patient', contact: [{ url: `urn:uuid:${url}` }] })
    }
    expect(passes).toBe(1)
    const photo = [{ url: first?.reference }]
    const { sequence } = await queue.enqueue({ resourceType: 'Patient', photo })
    expect((await queue.outbox.read(sequence))?.after).toEqual([first?.sequence])
    expect(passes).toBe(1)
  })

  it('in a url is found in a queue that was opened anew', async () => {
    const storage = memoryStorage()
    const { reference, sequence } = await world({}, { storage }).queue.enqueue({ resourceType: 'Patient' })
    const photo = [{ url: reference }]
    const second = await world({}, { storage }).queue.enqueue({ resourceType: 'Patient', photo })
    expect((await storage.read(second.sequence))?.after).toEqual([sequence])
  })

  it('in a correction to what the dead letter has waited for is no news', () => {
    const header = encodeHeader({ method: 'POST', path: 'Patient', headers: {}, plan: 'probe' })
    const draft = { lane: 'l', key, gate: 'g', header, payload: new Uint8Array(), after: [3] }
    expect(waitsForMore({ after: [2, 3] }, draft)).toBe(false)
    expect(waitsForMore({ after: [2] }, draft)).toBe(true)
  })
})
