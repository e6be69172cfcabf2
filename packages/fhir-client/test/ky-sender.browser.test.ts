import { describe, expect, it } from 'vitest'
import { createFhirClient, kySender } from '../src/index.js'
import { failureOf, rejectionOf } from './support/failure.js'

describe('ky in a browser', () => {
  it('brings an answer', async () => {
    const response = await kySender().send({
      method: 'GET',
      url: location.href,
      headers: { accept: 'text/html' },
    })
    expect(response.status).toBe(200)
    if (response.body === null) throw new Error('There is no body.')
    expect(await new Response(response.body as ReadableStream<Uint8Array>).text()).toContain('<')
  })

  it('does not mistake the page of a web server for FHIR', async () => {
    const client = createFhirClient({ baseUrl: location.origin })
    const page = client.request({ method: 'GET', path: location.pathname + location.search })
    expect(await failureOf(page)).toMatchObject({ code: 'ERR_NOT_FHIR', status: 200, sent: 'maybe' })
  })

  it('cannot say whether a failed request left', async () => {
    // A port that browsers refuse: the failure looks like any other.
    const client = createFhirClient({ baseUrl: 'http://127.0.0.1:1/fhir' })
    const error = await failureOf(client.create({ resourceType: 'Patient' }))
    expect(error).toMatchObject({ code: 'ERR_NETWORK', sent: 'maybe' })
  })

  it('can be aborted', async () => {
    const signal = AbortSignal.abort()
    const error = await rejectionOf(
      kySender().send({ method: 'GET', url: location.href, headers: {}, signal }),
    )
    expect(error).toMatchObject({ name: 'AbortError', sent: 'no' })
  })
})
