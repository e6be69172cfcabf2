import { describe, expect, it } from 'vitest'
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
})
