import type { Page } from 'playwright'
import { describe, expect, it } from 'vitest'
import { goTo, seesAllDelivered, seesAudit, seesWaiting, tryNow, typeReading } from './support/person.js'
import { setStage, startServer, storedSystolic, useBrowser } from './support/stage.js'
import { everythingStored, marked, markersStored } from './support/stored.js'

useBrowser()

describe('what lies in the browser', () => {
  it('shows nothing of a reading when it is sealed, and all of it when it is not', async () => {
    const server = await startServer()
    await server.goAway()
    const stage = await setStage()
    const { systolic, diastolic } = marked

    const sealed = await stage.open(`${server.search}&sealed`)
    await typeReading(sealed, systolic, diastolic)
    await seesWaiting(sealed, 1)
    expect(await markersStored(sealed)).toEqual([])
    const { records } = await everythingStored(sealed)
    expect(records).toContain('key, extractable: false')
    expect(records).not.toContain('extractable: true')

    const plain = await stage.open(server.search)
    await typeReading(plain, systolic, diastolic)
    expect(new Set(await markersStored(plain))).toEqual(new Set([...marked.values, ...marked.words]))
    await plain.close()

    // What is sealed can still be delivered, by a page that was not there when it was sealed.
    await sealed.close()
    await server.comeBack()
    const later = await stage.open(`${server.search}&sealed`)
    await tryNow(later)
    await seesAllDelivered(later, 1)
    expect(storedSystolic(server)).toEqual([187.65])
  })

  it('takes nothing in when there is no room, says so, and keeps what was typed', async () => {
    const server = await startServer()
    const stage = await setStage()
    // Holds the quota for as long as it is open.
    const holder = await stage.context.newPage()
    await holder.goto(`${stage.url}icon.svg`)
    const devtools = await stage.context.newCDPSession(holder)
    const { origin } = new URL(stage.url)
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 8_000_000 })

    const page = await stage.open(server.search)
    await typeReading(page, '191')
    await seesAllDelivered(page, 1)
    await goTo(page, 'Measure')
    await fillUp(page)
    await page.getByLabel('Systolic').fill('192')
    await page.getByLabel('Diastolic').fill('82')
    const store = page.getByRole('button', { name: 'Store reading' })
    await store.click()
    await page.getByRole('alert').getByText('Not stored').waitFor()
    expect(await page.getByLabel('Systolic').inputValue()).toBe('192')
    await seesAudit(page, '1 accepted = 0 waiting + 1 delivered')

    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 80_000_000 })
    await typeReading(page, '193')
    await seesAllDelivered(page, 2)
    expect(storedSystolic(server)).toEqual([191, 193])
  })
})

/** Leaves no room for anything, by data of somebody else on the same origin. */
function fillUp(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const opening = indexedDB.open('somebody else', 1)
    opening.addEventListener('upgradeneeded', () =>
      opening.result.createObjectStore('data', { autoIncrement: true }),
    )
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      opening.addEventListener('success', () => resolve(opening.result))
      opening.addEventListener('error', () => reject(opening.error))
    })
    const put = (size: number): Promise<boolean> =>
      new Promise((resolve) => {
        const transaction = database.transaction('data', 'readwrite', { durability: 'strict' })
        const bytes = new Uint8Array(size)
        for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
        transaction.objectStore('data').add(bytes)
        transaction.addEventListener('complete', () => resolve(true))
        transaction.addEventListener('abort', () => resolve(false))
      })
    for (const size of [1_000_000, 100_000, 10_000, 1_000]) {
      // At most as many as would fit if the quota were not kept.
      for (let count = 0; count < 20; count += 1) if (!(await put(size))) break
    }
    database.close()
  })
}
