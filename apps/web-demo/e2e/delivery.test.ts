import { describe, expect, it } from 'vitest'
import {
  goTo,
  seesAllDelivered,
  seesNoAnswer,
  seesWaiting,
  tryNow,
  typeReading,
  waitUntil,
} from './support/person.js'
import { setStage, startServer, storedSystolic, useBrowser } from './support/stage.js'

useBrowser()

describe('readings on their way to a server on a socket', () => {
  it('arrive once and in order: measured with the server away, the tab closed, two tabs open', async () => {
    const server = await startServer()
    await server.goAway()
    const stage = await setStage()
    const first = await stage.open(server.search)
    for (const systolic of ['121', '122', '123']) await typeReading(first, systolic)
    await seesWaiting(first, 3)
    await first.close()

    const [left, right] = [await stage.open(server.search), await stage.open(server.search)]
    await typeReading(right, '124')
    await typeReading(left, '125')
    await Promise.all([seesWaiting(left, 5), seesWaiting(right, 5)])
    expect(storedSystolic(server)).toEqual([])

    await server.comeBack()
    await tryNow(right)
    await Promise.all([seesAllDelivered(left, 5), seesAllDelivered(right, 5)])
    expect(storedSystolic(server)).toEqual([121, 122, 123, 124, 125])
    expect(stage.complaints).toEqual([])
  })

  it('arrive once when the tab that delivers is killed in the middle of it', async () => {
    const server = await startServer()
    const stage = await setStage()
    const victim = await stage.open(server.search)
    await typeReading(victim, '131')
    await seesAllDelivered(victim, 1)
    const heir = await stage.open(server.search)

    // The next request reaches the server, which takes its time.
    const hang = server.mock.faults.add({
      method: 'POST',
      url: '/fhir',
      fault: { kind: 'delay', ms: 60_000 },
    })
    await typeReading(heir, '132')
    await typeReading(heir, '133')
    await waitUntil(() => hang.hits === 1)

    const crashed = victim.waitForEvent('crash')
    const devtools = await stage.context.newCDPSession(victim)
    void devtools.send('Page.crash').catch(() => undefined)
    await crashed

    await seesAllDelivered(heir, 3)
    expect(storedSystolic(server)).toEqual([131, 132, 133])
  })

  it('are stored once when replies are lost after the server has stored them', async () => {
    const server = await startServer()
    const stage = await setStage()
    const page = await stage.open(server.search)
    // Not once: a browser repeats by itself what was cut on a connection that it had used before.
    const lost = server.mock.faults.add({
      method: 'POST',
      url: '/fhir',
      times: Infinity,
      fault: { kind: 'cut-after' },
    })
    await typeReading(page, '141')
    await seesNoAnswer(page)
    lost.remove()
    await typeReading(page, '142')
    await tryNow(page)
    await seesAllDelivered(page, 2)
    expect(storedSystolic(server)).toEqual([141, 142])

    await goTo(page, 'Outbox')
    await page.locator('[data-sequence="1"]').click()
    await page.getByText('the server had it already').waitFor()
  })

  it('wait for as long as the server asks, and the bar says until when', async () => {
    const server = await startServer()
    server.mock.faults.add({
      method: 'POST',
      url: '/fhir',
      fault: { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
    })
    const stage = await setStage()
    const [page, other] = [await stage.open(server.search), await stage.open(server.search)]
    await typeReading(page, '151')
    // Only one tab has asked the server; both know.
    for (const tab of [page, other]) await tab.getByText(/Throttled until \d\d:\d\d:\d\d/).waitFor()
    await seesAllDelivered(page, 1)
    expect(storedSystolic(server)).toEqual([151])
  })
})
