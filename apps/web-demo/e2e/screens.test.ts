import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { AxeResults, RunOptions } from 'axe-core'
import type { Page } from 'playwright'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  goTo,
  seesAllDelivered,
  seesNoAnswer,
  seesAudit,
  seesWaiting,
  signInAtServer,
  typeReading,
} from './support/person.js'
import { setStage, useBrowser } from './support/stage.js'

useBrowser()

const pictures = fileURLToPath(new URL('../screenshots/', import.meta.url))
let axeSource = ''

beforeAll(async () => {
  await mkdir(pictures, { recursive: true })
  axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
})

const desktop = { width: 1200, height: 850 }
const looks = [
  { name: 'light', viewport: desktop, colorScheme: 'light' },
  { name: 'dark', viewport: desktop, colorScheme: 'dark' },
  // The narrowest that pages must fit into (WCAG 2.2, 1.4.10).
  { name: 'phone', viewport: { width: 320, height: 740 }, colorScheme: 'light' },
] as const

/** `SCREENSHOTS=all` takes every picture; else a few are enough to see that something has gone wrong. */
const allPictures = process.env['SCREENSHOTS'] === 'all'
const usualPictures = ['measure', 'trends', 'outbox', 'server', 'settings'].map((screen) => `${screen}-phone`)

type Axe = { run(options: RunOptions): Promise<AxeResults> }

/** What axe finds; in the dark only what depends on colours. */
async function axeFaults(page: Page, look: string): Promise<readonly string[]> {
  const options: RunOptions = {
    resultTypes: ['violations'],
    preload: false,
    ...(look === 'dark' ? { runOnly: ['color-contrast'] } : {}),
  }
  const { violations } = await page.evaluate(
    (given) => (globalThis as unknown as { axe: Axe }).axe.run(given),
    options,
  )
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`))
}

/** What is wider than its place. */
function tooWide(page: Page): Promise<readonly string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('html, .table-holder')].flatMap((element) =>
      element.scrollWidth > element.clientWidth ? [`${element.tagName} is too wide`] : [],
    ),
  )
}

/** The page is drawn anew, plots included, some frames after its window has changed. */
function redrawn(page: Page): Promise<void> {
  return page.evaluate(async () => {
    for (let frame = 0; frame < 3; frame += 1) {
      await new Promise((resolve) => {
        requestAnimationFrame(resolve)
      })
    }
  })
}

describe('every screen, light and dark and on a phone', () => {
  it('is accessible, fits, and has its picture taken', { timeout: 90_000 }, async () => {
    const stage = await setStage()
    const page = await stage.open()
    const found: string[] = []
    const take = async (screen: string): Promise<void> => {
      for (const { name, colorScheme, viewport } of looks) {
        await page.setViewportSize(viewport)
        await page.emulateMedia({ colorScheme })
        await redrawn(page)
        const faults = name === 'phone' ? await tooWide(page) : await axeFaults(page, name)
        found.push(...faults.map((fault) => `${screen}, ${name}: ${fault}`))
        const picture = `${screen}-${name}`
        if (allPictures || usualPictures.includes(picture)) {
          await page.screenshot({ path: `${pictures}${picture}.png`, fullPage: true })
        }
      }
    }
    await page.evaluate(axeSource)

    await take('measure-empty')
    await goTo(page, 'Trends')
    await take('trends-empty')
    await goTo(page, 'Outbox')
    await take('outbox-empty')
    await goTo(page, 'Server')
    await page.getByText('Its own statement').waitFor()
    await take('server')

    for (const [systolic, diastolic] of [
      ['128', '82'],
      ['131', '84'],
      ['122', '79'],
    ] as const) {
      await typeReading(page, systolic, diastolic)
    }
    await seesAllDelivered(page, 3)
    await goTo(page, 'Trends')
    await page.getByRole('cell', { name: '128', exact: true }).waitFor()
    await page.getByRole('button', { name: 'Refuse the next reading' }).click()
    await page.getByRole('button', { name: 'Refuse the next reading', pressed: true }).waitFor()
    await typeReading(page, '171', '96')
    await page.getByRole('link', { name: '1 reading' }).waitFor()
    for (const device of ['Glucometer', 'Oximeter']) {
      await goTo(page, 'Measure')
      await page.getByLabel('A simulated device').selectOption(device)
      await page.getByRole('button', { name: 'Measure', exact: true }).click()
      await page.getByRole('region', { name: 'Device' }).getByText('Stored as no.').waitFor()
    }
    await seesAudit(page, '6 accepted = 0 waiting + 5 delivered')
    await goTo(page, 'Trends')
    await page.getByRole('button', { name: 'Glucose' }).click()
    await page.getByRole('columnheader', { name: 'Glucose' }).waitFor()
    await take('trends-glucose')
    await page.getByRole('switch', { name: 'Take the server down' }).press('Space')
    await page.getByRole('switch', { name: 'Take the server down', checked: true }).waitFor()
    await typeReading(page, '126', '80')
    await seesNoAnswer(page)
    await page.getByRole('button', { name: 'Measure', exact: true }).click()
    await seesWaiting(page, 2)
    await page.getByLabel('Systolic').fill('many')
    await page.getByRole('button', { name: 'Store reading' }).click()
    await take('measure')
    await goTo(page, 'Trends')
    await page.getByRole('button', { name: 'Blood pressure' }).click()
    await page.getByRole('cell', { name: '171', exact: true }).waitFor()
    await take('trends')
    await goTo(page, 'Outbox')
    await take('outbox')
    await page.locator('[data-state="unknown"]').click()
    await page.getByRole('heading', { name: 'No. 7' }).waitFor()
    await page.getByText('Content', { exact: true }).click()
    await take('entry-unknown')
    await goTo(page, 'Outbox')
    await page.locator('[data-state="delivered"]').first().click()
    await page.getByRole('heading', { name: 'Receipt', exact: true }).waitFor()
    await take('entry-receipt')
    await goTo(page, 'Outbox')
    await page.locator('[data-state="dead"]').click()
    await page.getByRole('button', { name: 'Discard…' }).waitFor()
    await take('entry-dead')
    await page.getByRole('button', { name: 'Discard…' }).click()
    await page.getByRole('dialog').waitFor()
    await take('entry-discard')
    await page.getByRole('button', { name: 'Cancel' }).click()

    // A document of its own: the sealed outbox, and somebody who is signed in.
    await page.getByRole('switch', { name: 'Take the server down' }).press('Space')
    await goTo(page, 'Settings')
    await page.getByRole('button', { name: 'Keep them sealed' }).click()
    await page.getByRole('heading', { name: 'Keys' }).waitFor()
    await page.evaluate(axeSource)
    await goTo(page, 'Settings')
    await page.getByRole('button', { name: 'Use JWE' }).click()
    await page.getByRole('heading', { name: 'JWE in use' }).waitFor()
    await page.getByText('seals what is measured now').waitFor()
    await take('settings')
    await page.getByRole('button', { name: 'Forget all keys…' }).click()
    await page.getByRole('dialog').waitFor()
    await take('settings-forget')
    await page.getByRole('button', { name: 'Cancel' }).click()
    const down = page.getByRole('switch', { name: 'Take the server down' })
    await down.press('Space')
    await typeReading(page, '124')
    await seesWaiting(page, 1)
    await page.getByText('in an envelope').waitFor()
    await take('measure-sealed')
    await goTo(page, 'Outbox')
    await page.locator('[data-sequence="1"]').click()
    await page.getByText('The content is encrypted for key').waitFor()
    await take('entry-sealed')
    await goTo(page, 'Trends')
    await page.getByText('1 reading waits in its envelope').waitFor()
    await take('trends-sealed')
    await down.press('Space')
    await seesAllDelivered(page, 1)
    await goTo(page, 'Server')
    await signInAtServer(page, 'ada')
    await page.evaluate(axeSource)
    // What the sign-in has granted becomes known.
    await page.getByText('no scopes are known').waitFor({ state: 'hidden' })
    await page.getByText('Its own statement').waitFor()
    await take('server-signed-in')

    expect(found).toEqual([])
    expect(stage.complaints).toEqual([])
  })
})
