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
    // The choice is one for all tabs, and lives where the readings do.
    await page.evaluate(() => localStorage.clear())
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

  it('are not left out while the choice is in doubt, and what nobody can open is taken back', async () => {
    const server = await startServer()
    const stage = await setStage()
    const search = searchFor(server.url, { receiver: true })
    const page = await stage.open(search)
    await chooseEnvelopes(page, 'JWE')
    await page.getByRole('status').getByText('New readings travel in JWE envelopes.').waitFor()
    const pressed = page.getByRole('button', { name: 'Use JWE', pressed: true })
    expect(await pressed.evaluate((button) => button === document.activeElement)).toBe(true)

    const lost = server.mock.faults.add({
      method: 'POST',
      url: '/encfhir',
      times: Infinity,
      fault: {
        kind: 'status',
        status: 422,
        headers: { 'content-type': 'application/json' },
        body: '{"error":"unknown_key"}',
      },
    })
    await typeReading(page, '131')
    await page.getByText('Needs attention').waitFor()
    await goTo(page, 'Outbox')
    await page.locator('[data-sequence="1"]').click()
    await page.getByText('nobody can read this reading').waitFor()
    await page.getByRole('button', { name: 'Withdraw…' }).click()
    await page.getByLabel('Reason').fill('The receiver has lost its key.')
    await page.getByRole('button', { name: 'Withdraw the reading' }).click()
    await page.getByText('Taken back').waitFor()
    lost.remove()

    // Another receiver, for which nobody has chosen.
    const sealing = (): number => stage.requested.filter((url) => url.includes('envelope-work')).length
    const before = sealing()
    const other = await stage.open(search.replace('encfhir', 'other'))
    await waitUntil(() => sealing() > before)
    await other.getByLabel('Systolic').fill('132')
    await other.getByLabel('Diastolic').fill('80')
    await other.getByRole('button', { name: 'Store reading' }).click()
    await other.getByText('Choose again in Settings').waitFor()
    expect(await other.getByLabel('Systolic').inputValue()).toBe('132')
    await goTo(other, 'Settings')
    await other.getByText('Until then no reading is stored.').waitFor()
    await other.getByRole('button', { name: 'No envelopes' }).click()
    await other.getByRole('heading', { name: 'Off in use' }).waitFor()
    await typeReading(other, '133')
    await waitUntil(() => storedSystolic(server).length > 0)
    expect(storedSystolic(server)).toEqual([133])
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
