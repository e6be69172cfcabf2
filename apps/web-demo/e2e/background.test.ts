import type { Page } from 'playwright'
import { describe, expect, it } from 'vitest'
import {
  chooseEnvelopes,
  goTo,
  seesAllDelivered,
  seesNoAnswer,
  seesWaiting,
  signInAtServer,
  typeReading,
} from './support/person.js'
import { setStage, startServer, storedSystolic, useBrowser, type Stage } from './support/stage.js'

useBrowser()

/** A page of the same site that is not the app, and the way to say that there is a network. */
async function bystander(stage: Stage): Promise<{ readonly page: Page; sync(): Promise<void> }> {
  const page = await stage.context.newPage()
  const devtools = await stage.context.newCDPSession(page)
  const registered = new Promise<string>((resolve) => {
    devtools.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const [registration] = registrations.filter(({ scopeURL }) => scopeURL === stage.url)
      if (registration !== undefined) resolve(registration.registrationId)
    })
  })
  await devtools.send('ServiceWorker.enable')
  await page.goto(`${stage.url}icon.svg`)
  const registrationId = await registered
  const { origin } = new URL(stage.url)
  const event = { origin, registrationId, tag: 'fhir-outbox', lastChance: false }
  return {
    page,
    async sync() {
      await devtools.send('ServiceWorker.dispatchSyncEvent', event)
    },
  }
}

const patience = { timeout: 15_000, interval: 500 }

describe('with every tab closed, the service worker', () => {
  it('delivers to a server on a socket when the network is back, sealed and unsealed, signed in', async () => {
    const server = await startServer({ open: false })
    const stage = await setStage()
    const page = await stage.open(server.search, 'server')
    await signInAtServer(page, 'ada')
    const sealed = await stage.open(`${server.search}&sealed`)
    await server.goAway()
    await typeReading(page, '201')
    await typeReading(sealed, '202')
    await Promise.all([seesWaiting(page, 1), seesWaiting(sealed, 1)])
    const { sync } = await bystander(stage)
    await page.close()
    await sealed.close()
    await server.comeBack()
    await expect
      .poll(async () => {
        await sync()
        return storedSystolic(server).toSorted()
      }, patience)
      .toEqual([201, 202])
    const later = await stage.open(server.search)
    await seesAllDelivered(later, 1)
    expect(stage.complaints).toEqual([])
  })

  it('delivers to the demo server, which lives in the same worker, in an envelope and as it is', async () => {
    const stage = await setStage()
    const page = await stage.open()
    await chooseEnvelopes(page, 'C3-PRO')
    await page.getByRole('switch', { name: 'Take the server down' }).press('Space')
    await page.getByRole('switch', { name: 'Take the server down', checked: true }).waitFor()
    await typeReading(page, '205')
    await goTo(page, 'Settings')
    await page.getByRole('button', { name: 'No envelopes' }).click()
    await typeReading(page, '206')
    await seesWaiting(page, 2)
    await seesNoAnswer(page)
    const { page: other, sync } = await bystander(stage)
    await page.close()
    await other.evaluate(() => fetch('mock/troubles', { method: 'PUT', body: '[]' }))
    await expect
      .poll(async () => {
        await sync()
        return other.evaluate(async () => (await fetch('mock/fhir/Observation?code=150020')).text())
      }, patience)
      .toMatch(/205.*206|206.*205/s)
    const later = await stage.open()
    await seesAllDelivered(later, 2)
    // What was in the envelope was run, not filed.
    expect(await later.evaluate(async () => (await fetch('mock/fhir/Bundle')).text())).toContain('"total":0')
  })
})
