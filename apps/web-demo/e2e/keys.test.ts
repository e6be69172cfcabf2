import { describe, expect, it } from 'vitest'
import { goTo, seesAllDelivered, seesAudit, seesWaiting, tryNow, typeReading } from './support/person.js'
import { setStage, startServer, storedSystolic, useBrowser } from './support/stage.js'

useBrowser()

describe('the keys of sealed readings', () => {
  it('are chosen at the first start, and the choice holds for the next visit', async () => {
    const stage = await setStage()
    const page = await stage.open()
    await page.getByRole('button', { name: 'Keep them sealed' }).click()
    await page.waitForURL(/[?&]sealed/)
    await typeReading(page, '101')
    await seesAllDelivered(page, 1)
    await page.close()
    const later = await stage.open()
    expect(later.url()).toMatch(/[?&]sealed/)
    await seesAllDelivered(later, 1)
    await goTo(later, 'Settings')
    await later.getByRole('button', { name: 'Keep them as they are' }).click()
    // Each way has an outbox of its own.
    await later.waitForURL((url) => !url.searchParams.has('sealed'))
    await seesAudit(later, '0 accepted')
  })

  it('change while readings wait and another tab is open, and everything is still delivered', async () => {
    const server = await startServer()
    await server.goAway()
    const stage = await setStage()
    const search = `${server.search}&sealed`
    const [page, other] = [await stage.open(search), await stage.open(search)]
    await typeReading(page, '102')
    await goTo(page, 'Settings')
    await page.getByRole('button', { name: 'Change the key' }).click()
    await page.getByText('browser-2').waitFor()
    await page.getByText('browser-1').waitFor()
    await typeReading(other, '103')
    await Promise.all([seesWaiting(page, 2), seesWaiting(other, 2)])
    await server.comeBack()
    await tryNow(other)
    await Promise.all([seesAllDelivered(page, 2), seesAllDelivered(other, 2)])
    expect(storedSystolic(server)).toEqual([102, 103])
    expect(stage.complaints).toEqual([])
  })

  it('are forgotten: what waited is gone, and what is measured next is sealed with another key', async () => {
    const server = await startServer()
    await server.goAway()
    const stage = await setStage()
    const page = await stage.open(`${server.search}&sealed`)
    await typeReading(page, '104')
    await seesWaiting(page, 1)
    await goTo(page, 'Settings')
    await page.getByRole('button', { name: 'Forget all keys…' }).click()
    await page.getByText('1 reading would be lost').waitFor()
    await page.getByRole('button', { name: 'Forget and delete' }).click()
    await page.getByText('browser-2').waitFor()
    await seesAudit(page, '0 accepted')
    await server.comeBack()
    await typeReading(page, '105')
    await seesAllDelivered(page, 1)
    expect(storedSystolic(server)).toEqual([105])
    expect(stage.complaints).toEqual([])
  })
})
