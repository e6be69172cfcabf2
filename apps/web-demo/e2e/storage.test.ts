import type { Page } from 'playwright'
import { describe, expect, it } from 'vitest'
import { goTo, seesAllDelivered, seesAudit, seesWaiting, tryNow, typeReading } from './support/person.js'
import { setStage, startServer, storedSystolic, useBrowser } from './support/stage.js'

useBrowser()

/** Everything that scripts of the page can find in the browser's storage, as one text. */
function everythingStored(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const texts: string[] = []
    const bytes = (view: Uint8Array): void => {
      // One byte, one character: nothing is lost, and a text in it can be found.
      for (let at = 0; at < view.length; at += 4096) {
        texts.push(String.fromCodePoint(...view.subarray(at, at + 4096)))
      }
    }
    const visit = (value: unknown): void => {
      if (value instanceof ArrayBuffer) bytes(new Uint8Array(value))
      else if (ArrayBuffer.isView(value))
        bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
      else if (value instanceof CryptoKey) texts.push(`key, extractable: ${value.extractable}`)
      else if (Array.isArray(value)) for (const item of value) visit(item)
      else if (value instanceof Map || value instanceof Set) visit([...value])
      else if (typeof value === 'object' && value !== null) visit(Object.entries(value))
      else texts.push(String(value))
    }
    const finished = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.addEventListener('success', () => resolve(request.result))
        request.addEventListener('error', () => reject(request.error))
      })
    for (const { name } of await indexedDB.databases()) {
      if (name === undefined) continue
      const database = await finished(indexedDB.open(name))
      for (const store of database.objectStoreNames) {
        const records = database.transaction(store).objectStore(store)
        visit(await Promise.all([finished(records.getAll()), finished(records.getAllKeys())]))
      }
      database.close()
    }
    visit(Object.entries(localStorage))
    visit(Object.entries(sessionStorage))
    return texts.join('\n')
  })
}

describe('what lies in the browser', () => {
  it('shows nothing of a reading when it is sealed, and all of it when it is not', async () => {
    const server = await startServer()
    await server.goAway()
    const stage = await setStage()
    const markers = ['187.65', '98.76', 'Observation', 'demo-patients', 'urn:uuid']

    const sealed = await stage.open(`${server.search}&sealed`)
    await typeReading(sealed, '187.65', '98.76')
    await seesWaiting(sealed, 1)
    const hidden = await everythingStored(sealed)
    expect(markers.filter((marker) => hidden.includes(marker))).toEqual([])
    expect(hidden).toContain('key, extractable: false')

    const plain = await stage.open(server.search)
    await typeReading(plain, '187.65', '98.76')
    const shown = await everythingStored(plain)
    expect(markers.filter((marker) => !shown.includes(marker))).toEqual([])
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
