import type { Page } from 'playwright'
import { expect } from 'vitest'

/** What a person does and sees, in the words of the screens. */

/** Types a reading in and waits until it is stored. */
export async function typeReading(page: Page, systolic: string, diastolic = '80'): Promise<void> {
  await goTo(page, 'Measure')
  await page.getByLabel('Systolic').fill(systolic)
  await page.getByLabel('Diastolic').fill(diastolic)
  await page.getByRole('button', { name: 'Store reading' }).click()
  await waitUntil(async () => (await page.getByLabel('Systolic').inputValue()) === '')
}

export type Screen = 'Measure' | 'Trends' | 'Outbox' | 'Server' | 'Settings'

/** People click in the tab they look at; browsers draw the others once a second. */
export async function goTo(page: Page, screen: Screen): Promise<void> {
  await page.bringToFront()
  await page.getByRole('navigation').getByRole('link', { name: screen, exact: true }).click()
  await page.getByRole('heading', { name: screen, level: 1 }).waitFor()
}

export async function seesWaiting(page: Page, count: number): Promise<void> {
  await page.getByTestId('waiting').getByText(String(count), { exact: true }).waitFor()
}

/** What the bar says after a request that came to nothing. */
export async function seesNoAnswer(page: Page): Promise<void> {
  const bar = page.getByRole('region', { name: 'State of delivery' })
  await bar.getByText(/^(?:No answer|Server unreachable)$/).waitFor()
}

/** Chooses envelopes in Settings and sees for whose key. */
export async function chooseEnvelopes(page: Page, name: 'JWE' | 'C3-PRO'): Promise<void> {
  await goTo(page, 'Settings')
  await page.getByRole('button', { name: `Use ${name}` }).click()
  await page.getByRole('heading', { name: `${name} in use` }).waitFor()
}

/** A person who knows that the server is back does not wait for the next attempt. */
export async function tryNow(page: Page): Promise<void> {
  await goTo(page, 'Outbox')
  await page.getByRole('button', { name: 'Try now' }).click()
}

/** The sum over the list: accepted = waiting + delivered + … */
export async function seesAudit(page: Page, sum: string): Promise<void> {
  await goTo(page, 'Outbox')
  await page.getByText(sum).waitFor()
}

/** Everything that was ever measured here is delivered, and it is this much. */
export async function seesAllDelivered(page: Page, count: number): Promise<void> {
  await seesAudit(page, `${count} accepted = 0 waiting + ${count} delivered`)
  await page.getByText('All delivered').waitFor()
}

export async function waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(condition, { timeout: 15_000, interval: 50 }).toBe(true)
}

/** Fills in the pages of the server, as a person who reads them. */
export async function signInAtServer(page: Page, name: string, patient?: string): Promise<void> {
  await page.bringToFront()
  await page.getByRole('button', { name: /^Sign in/ }).click()
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  await page.getByLabel('User name').fill(name)
  await page.getByLabel('Password').fill(name)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Allow access' }).waitFor()
  // Impatience does no harm.
  await page.reload()
  if (patient !== undefined) await page.getByLabel(patient).check()
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await page.getByRole('heading', { name: 'Server', level: 1 }).waitFor()
}
