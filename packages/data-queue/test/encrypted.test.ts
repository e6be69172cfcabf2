import { describe, expect, it, onTestFinished } from 'vitest'
import { createSealer, importRecipient } from '@fhir-outbox/envelope-crypto'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import { memoryStorage } from '@fhir-outbox/queue-core'
import { appStoreReceipt, dynamicClient, memoryCredentialStore } from '@fhir-outbox/smart-auth'
import { openEncryptedDataQueue, type DataQueue, type Encryption } from '../src/index.js'
import { arrived, bench, observation, quick, wires, type Bench } from './bench.js'

const answers = (text: string): object => ({
  resourceType: 'QuestionnaireResponse',
  status: 'completed',
  item: [{ linkId: 'a', answer: [{ valueString: text }] }],
})

/** A queue whose questionnaire answers go to the C3-PRO endpoint, with a registration by receipt. */
async function encrypted(
  { mock, url, fhir }: Bench,
  more: Partial<Encryption> = {},
): Promise<{ readonly queue: DataQueue; readonly storage: ReturnType<typeof memoryStorage> }> {
  const { c3pro } = mock.state
  mock.state.addReceipt('UkVDRUlQVA==')
  mock.state.addAntispam('bot')
  const encryptedUrl = `${url}/c3pro/encfhir`
  const tokens = dynamicClient({
    tokenEndpoint: `${url}/c3pro/oauth`,
    registrationEndpoint: `${url}/c3pro/register`,
    resourceOrigins: [new URL(url).origin],
    credentials: memoryCredentialStore(),
    registration: appStoreReceipt({ receipt: () => Promise.resolve('UkVDRUlQVA=='), antispam: 'bot' }),
    clientName: 'phone',
    scope: 'system/*.*',
  })
  const recipient = await importRecipient(await c3pro.certificatePem(), { keyId: c3pro.keyId })
  const storage = memoryStorage()
  const queue = openEncryptedDataQueue({
    storage,
    fhir,
    defaults: quick,
    encryption: {
      client: createFhirClient({ baseUrl: encryptedUrl, tokens }),
      sealer: createSealer({ suite: 'c3-pro', recipient }),
      shouldEncrypt: (resource) => resource['resourceType'] === 'QuestionnaireResponse',
      receiver: 'deduplicates',
      ...more,
    },
  })
  onTestFinished(() => queue.close())
  return { queue, storage }
}

describe.each(wires)('encrypted delivery over %s', (wire) => {
  it('arrives opened and filed, in one order with what is not encrypted', async () => {
    const set = await bench(wire)
    const { queue } = await encrypted(set)
    await queue.enqueue(observation('before'))
    await queue.enqueue(answers('secret'))
    await queue.enqueue(observation('after'))
    expect(await queue.flush()).toMatchObject({ delivered: 3, waiting: 0 })
    expect(set.mock.state.commits.map(({ type }) => type)).toEqual([
      'Observation',
      'QuestionnaireResponse',
      'Observation',
    ])
    expect(set.mock.state.resources('QuestionnaireResponse')[0]).toMatchObject(answers('secret'))
    expect(arrived(set.mock)).toEqual(['before', 'after'])
  })

  it('is filed once when the reply is lost', async () => {
    const set = await bench(wire)
    const { queue } = await encrypted(set)
    set.mock.faults.add({ url: /encfhir/, fault: { kind: 'cut-after' } })
    queue.start()
    expect(await queue.create(answers('twice sent'))).toMatchObject({ state: 'delivered' })
    expect(set.mock.state.c3pro.received).toHaveLength(2)
    expect(set.mock.state.resources('QuestionnaireResponse')).toHaveLength(1)
  })

  it('says so when the receiver keeps everything', async () => {
    const { queue } = await encrypted(await bench(wire), { receiver: 'keeps-everything' })
    expect(await queue.preview(answers('x'))).toMatchObject({
      encrypted: true,
      method: 'POST',
      plan: { name: 'at-least-once', guarantee: 'may-duplicate' },
    })
  })

  it('stores no plaintext, and the wire shows neither type nor id', async () => {
    const set = await bench(wire)
    const { queue, storage } = await encrypted(set)
    const { sequence } = await queue.enqueue(answers('MARKER-7'))
    const entry = await storage.read(sequence)
    const text = new TextDecoder().decode(entry?.payload) + new TextDecoder().decode(entry?.header)
    expect(text).not.toContain('MARKER-7')
    expect(text).not.toContain('QuestionnaireResponse')
    // The control: the same scan finds an entry that is not encrypted.
    const clear = await storage.read((await queue.enqueue(observation('MARKER-8'))).sequence)
    expect(new TextDecoder().decode(clear?.payload)).toContain('MARKER-8')
    await queue.flush()
    const paths = set.mock.log.filter(({ url }) => url.includes('encfhir')).map(({ url }) => url)
    expect(paths).toEqual(['/c3pro/encfhir'])
  })

  it.each([
    ['an error', "{'error':'queue is full'}"],
    [
      'a transaction that was run in part',
      '{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"201"}},{"response":{"status":"422 No"}}]}',
    ],
  ])('treats a success that carries %s as unknown, never as delivered', async (_, body) => {
    const set = await bench(wire)
    const { queue } = await encrypted(set)
    const lie = { kind: 'status' as const, status: 200, body }
    // It lies for as long as the flush takes: on a slow machine the next try may fall into it.
    const fault = set.mock.faults.add({ url: /encfhir/, fault: lie, times: 1000 })
    const { sequence } = await queue.enqueue(answers('lie'))
    expect(await queue.flush()).toMatchObject({ delivered: 0, waiting: 1 })
    expect(fault.hits).toBeGreaterThan(0)
    expect(set.mock.state.resources('QuestionnaireResponse')).toEqual([])
    fault.remove()
    queue.start()
    expect(await queue.outbox.settled(sequence)).toMatchObject({ state: 'delivered' })
    expect(set.mock.state.resources('QuestionnaireResponse')).toHaveLength(1)
  })
})
