import type { Page } from 'playwright'
import { describe, expect, it } from 'vitest'
import { goTo, seesAllDelivered, seesNoAnswer, seesAudit, typeReading } from './support/person.js'
import { setStage, useBrowser } from './support/stage.js'

useBrowser()

/** What whoever uses the keyboard or listens is at. */
const focused = (page: Page): Promise<string | null | undefined> =>
  page.evaluate(() => document.activeElement?.textContent)

describe('a reading that the server refuses', () => {
  it('lets the others pass and is discarded with a reason, by keyboard alone', async () => {
    const stage = await setStage()
    const page = await stage.open()
    await page.getByRole('button', { name: 'Refuse the next reading' }).click()
    await typeReading(page, '161')
    await typeReading(page, '162')
    await seesAudit(page, '2 accepted = 0 waiting + 1 delivered + 1 dead')
    await page.locator('[data-state="dead"]').focus()
    await page.keyboard.press('Enter')
    await page.getByText('This server was told to refuse one reading.').waitFor()
    expect(await focused(page)).toBe('No. 1')
    await page.getByRole('button', { name: 'Discard…' }).focus()
    await page.keyboard.press('Enter')
    const reason = page.getByLabel('Reason')
    await reason.waitFor()
    // The dialog takes the focus to its first field.
    expect(await reason.evaluate((field) => field === document.activeElement)).toBe(true)

    const confirm = page.getByRole('button', { name: 'Discard the reading' })
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByText('Please say why').waitFor()
    await page.keyboard.type('Cuff was loose.')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await confirm.waitFor({ state: 'hidden' })
    await page.getByText('Discarded (by a visitor, Cuff was loose.)').waitFor()
    // The button that began it is gone; the focus is not.
    expect(await focused(page)).toBe('No. 1')
    await seesAudit(page, '2 accepted = 0 waiting + 1 delivered + 0 dead + 1 discarded')
    expect(stage.complaints).toEqual([])
  })

  it('is delivered when it is sent again', async () => {
    const stage = await setStage()
    const page = await stage.open()
    await page.getByRole('button', { name: 'Refuse the next reading' }).click()
    await page.getByLabel('Systolic').fill('171')
    await page.getByLabel('Diastolic').fill('80')
    // Two presses of an impatient hand are one reading.
    await page.getByRole('button', { name: 'Store reading' }).dblclick()
    await page.getByRole('link', { name: '1 reading' }).click()
    await page.locator('[data-state="dead"]').click()
    await page.getByRole('button', { name: 'Send again' }).click()
    await page.getByRole('button', { name: 'Send it again' }).click()
    await page.getByRole('heading', { name: 'Receipt', exact: true }).waitFor()
    await seesAllDelivered(page, 1)
  })
})

describe('the demo server in the browser', () => {
  it('is taken down and brought back; every tab sees it, and it survives its worker', async () => {
    const stage = await setStage()
    const [page, other] = [await stage.open(), await stage.open()]
    await typeReading(page, '181')
    await seesAllDelivered(page, 1)
    await page.bringToFront()
    await page.getByRole('switch', { name: 'Take the server down' }).press('Space')
    await other.getByRole('switch', { name: 'Take the server down', checked: true }).waitFor()
    await typeReading(page, '182')
    await seesNoAnswer(page)

    // The browser may end a service worker at any time.
    const devtools = await stage.context.newCDPSession(page)
    await devtools.send('ServiceWorker.enable')
    await devtools.send('ServiceWorker.stopAllWorkers')
    await other.bringToFront()
    await other.reload()
    await other.getByRole('switch', { name: 'Take the server down', checked: true }).press('Space')
    await Promise.all([seesAllDelivered(page, 2), seesAllDelivered(other, 2)])

    await goTo(other, 'Trends')
    for (const systolic of ['181', '182']) {
      await other.getByRole('cell', { name: systolic, exact: true }).waitFor()
    }
    expect(await other.getByRole('row').count()).toBe(3)
  })
})
