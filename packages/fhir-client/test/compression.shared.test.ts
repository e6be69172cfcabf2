import { describe, expect, it } from 'vitest'
import { createFhirClient, type FhirClient, type FhirClientOptions, type SendRequest } from '../src/index.js'
import { fhir, scriptedSender, type Reply, type ScriptedSender } from './support/scripted-sender.js'

const baseUrl = 'https://fhir.example.test/r4'
const large = { resourceType: 'Patient', text: 'Überlänge '.repeat(2000) }
const takes = { 'accept-encoding': 'br;q=0, gzip' }

function setUp(
  compressRequests: FhirClientOptions['compressRequests'],
  ...replies: readonly Reply[]
): { client: FhirClient; sender: ScriptedSender } {
  const sender = scriptedSender(...replies)
  return { client: createFhirClient({ baseUrl, send: sender, compressRequests }), sender }
}

async function textOf({ body, headers }: SendRequest): Promise<string> {
  if (headers['content-encoding'] !== 'gzip') return String(body)
  const packed = new Blob([new Uint8Array(body as Uint8Array)]).stream()
  return new Response(packed.pipeThrough(new DecompressionStream('gzip'))).text()
}

const encodings = (sender: ScriptedSender) => sender.sent.map(({ headers }) => headers['content-encoding'])

describe('compressed requests', () => {
  it('are not sent unless asked for', async () => {
    const { client, sender } = setUp(undefined, fhir(201, undefined, takes), fhir(201))
    await client.create(large)
    await client.create(large)
    expect(encodings(sender)).toEqual([undefined, undefined])
  })

  it('hold what was to be sent', async () => {
    const { client, sender } = setUp('always', fhir(201))
    await client.create(large)
    const [sent] = sender.sent
    if (!(sent?.body instanceof Uint8Array)) throw new Error('Nothing was compressed.')
    expect(sent.headers).toMatchObject({
      'content-encoding': 'gzip',
      'content-type': 'application/fhir+json',
    })
    expect(await textOf(sent)).toBe(JSON.stringify(large))
    expect(sent.body.byteLength).toBeLessThan(JSON.stringify(large).length / 10)
  })

  it('wait until the server has said that it takes them', async () => {
    const { client, sender } = setUp('advertised', fhir(201, undefined, takes), fhir(201), fhir(201))
    for (let index = 0; index < 3; index += 1) await client.create(large)
    expect(encodings(sender)).toEqual([undefined, 'gzip', 'gzip'])
  })

  it.each(['identity', 'br', 'gzip;q=0', 'gzip; q=0.000', ''])(
    'are not for a server that says %j',
    async (said) => {
      const answer = () => fhir(201, undefined, { 'accept-encoding': said })
      const { client, sender } = setUp('advertised', answer(), answer())
      await client.create(large)
      await client.create(large)
      expect(encodings(sender)).toEqual([undefined, undefined])
    },
  )

  it('end when the server says that it does not take them any more', async () => {
    const no = { 'accept-encoding': 'identity' }
    const { client, sender } = setUp(
      'advertised',
      fhir(201, undefined, takes),
      fhir(201, undefined, no),
      fhir(201),
    )
    for (let index = 0; index < 3; index += 1) await client.create(large)
    expect(encodings(sender)).toEqual([undefined, 'gzip', undefined])
  })

  it('are sent once more as they were after a 415, and never again', async () => {
    const { client, sender } = setUp('always', fhir(415), fhir(201, undefined, takes), fhir(201))
    expect((await client.create(large)).status).toBe(201)
    await client.create(large)
    expect(encodings(sender)).toEqual(['gzip', undefined, undefined])
    expect(sender.sent.slice(1).map(({ body }) => body)).toEqual([
      JSON.stringify(large),
      JSON.stringify(large),
    ])
  })

  it('are for large bodies that get smaller', async () => {
    const { client, sender } = setUp('always', fhir(201), fhir(201), fhir(201))
    const noise = crypto.getRandomValues(new Uint8Array(20_000))
    await client.create({ resourceType: 'Patient' })
    await client.request({ method: 'POST', path: 'Binary', body: noise })
    await client.request({
      method: 'POST',
      path: 'Binary',
      body: new Uint8Array(20_000),
      headers: { 'Content-Encoding': 'br' },
    })
    expect(encodings(sender)).toEqual([undefined, undefined, 'br'])
    expect(sender.sent[1]?.body).toBe(noise)
  })
})
