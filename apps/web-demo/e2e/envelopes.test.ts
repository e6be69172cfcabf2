import { createHash, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  chooseEnvelopes,
  goTo,
  seesAllDelivered,
  seesWaiting,
  tryNow,
  typeReading,
  waitUntil,
} from './support/person.js'
import {
  searchFor,
  setStage,
  startServer,
  storedSystolic,
  useBrowser,
  type OwnServer,
} from './support/stage.js'
import { marked, markersIn, markersStored } from './support/stored.js'
import { wireTo } from './support/wire.js'

useBrowser()

const allMarkers = [...marked.values, ...marked.words]

/** Without the request lines: Trends searches by the patient, and asks only for what the server may read anyway. */
function bodiesOnly(sent: string): string {
  return sent.replaceAll(/^(?:GET|HEAD|OPTIONS|POST) .*$/gm, '')
}

async function fingerprint({ mock }: OwnServer): Promise<string> {
  const { publicKey } = new X509Certificate(await mock.state.c3pro.certificatePem())
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}

describe('readings in envelopes', () => {
  it('lie and travel where nobody can read them, and arrive once and in order; the others do not hide', async () => {
    const server = await startServer()
    const { mock } = server
    const wire = await wireTo(server.url)
    const search = searchFor(wire.url, { receiver: true })
    const stage = await setStage()
    const [page, other] = [await stage.open(search), await stage.open(search)]
    await chooseEnvelopes(page, 'JWE')
    await page.getByText(await fingerprint(server)).waitFor()
    await server.goAway()
    // The choice is one for all tabs.
    await typeReading(other, marked.systolic, marked.diastolic)
    await seesWaiting(page, 1)
    expect(await markersStored(page)).toEqual([])

    await goTo(page, 'Trends')
    await page.getByText('1 reading waits in its envelope').waitFor()
    await goTo(page, 'Outbox')
    await page.locator('[data-sequence="1"]').click()
    await page
      .getByText(`The content is encrypted for key ${mock.state.c3pro.keyId}; it cannot be shown.`)
      .waitFor()
    await page.reload()
    await goTo(page, 'Settings')
    await page.getByRole('heading', { name: 'JWE in use' }).waitFor()

    // Its first answer is lost.
    const lost = mock.faults.add({
      method: 'POST',
      url: '/encfhir',
      times: Infinity,
      fault: { kind: 'cut-after' },
    })
    await server.comeBack()
    await tryNow(page)
    await waitUntil(() => lost.hits > 0)
    lost.remove()
    await tryNow(page)
    await seesAllDelivered(page, 1)
    const { received } = mock.state.c3pro
    expect(received.map(({ suite }) => suite)).toEqual(received.map(() => 'jwe'))
    expect(received.map(({ outcome }) => outcome)).toEqual([
      'filed',
      ...received.slice(1).map(() => 'duplicate'),
    ])
    expect(received.length).toBeGreaterThan(1)
    const secret = wire.overheard()
    expect(secret.split('"ciphertext"').length - 1).toBe(received.length)
    expect(markersIn(bodiesOnly(secret))).toEqual([])

    // The control: the same reading as it is. A second one in an envelope stays behind it.
    await goTo(page, 'Settings')
    await page.getByRole('button', { name: 'No envelopes' }).click()
    await server.goAway()
    await typeReading(page, marked.systolic, marked.diastolic)
    expect(new Set(await markersStored(page))).toEqual(new Set(allMarkers))
    await server.comeBack()
    await chooseEnvelopes(page, 'C3-PRO')
    await typeReading(page, '188')
    await tryNow(page)
    await seesAllDelivered(page, 3)
    expect(new Set(markersIn(bodiesOnly(wire.overheard())))).toEqual(new Set(allMarkers))
    expect(storedSystolic(server)).toEqual([187.65, 187.65, 188])
    expect(received.at(-1)).toMatchObject({ suite: 'c3-pro', outcome: 'filed' })
    expect(stage.complaints).toEqual([])
  })

  it('stay off when the receiver cannot be asked for its key', async () => {
    const server = await startServer()
    const stage = await setStage()
    const page = await stage.open(searchFor(server.url, { receiver: true }), 'settings')
    await server.goAway()
    await page.getByRole('button', { name: 'Use JWE' }).click()
    await page.getByRole('alert').getByText('nothing was changed').waitFor()
    await page.getByRole('heading', { name: 'Off in use' }).waitFor()
  })
})
