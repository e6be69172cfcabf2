import type { Page } from 'playwright'
import { describe, expect, it } from 'vitest'
import {
  chooseEnvelopes,
  goTo,
  seesAllDelivered,
  seesWaiting,
  signInAtServer,
  typeReading,
} from './support/person.js'
import { setStage, startServer, storedSystolic, useBrowser } from './support/stage.js'

useBrowser()

const waitingForSignIn = (page: Page): Promise<void> => page.getByText('Waiting for sign-in').waitFor()

describe('a server on a socket that asks who sends', () => {
  it('gets the readings when a person has signed in, about the patient of the sign-in', async () => {
    const server = await startServer({ open: false })
    const stage = await setStage()
    const page = await stage.open(server.search)
    const other = await stage.open(server.search)
    await typeReading(page, '111')
    await Promise.all([waitingForSignIn(page), waitingForSignIn(other)])
    expect(storedSystolic(server)).toEqual([])

    await page.bringToFront()
    await page
      .getByRole('region', { name: 'State of delivery' })
      .getByRole('link', { name: 'Sign in' })
      .click()
    await signInAtServer(page, 'dora', 'Ben')
    // Code and state are gone from the address, and a reload asks for nothing.
    expect(new URL(page.url()).search).toBe(server.search)
    await page.reload()
    await page.getByTestId('patient').getByText('Patient/ben').waitFor()
    await seesAllDelivered(page, 1)
    await typeReading(other, '112')
    await seesAllDelivered(other, 2)
    expect(storedSystolic(server)).toEqual([111, 112])
    expect(server.mock.log.filter(({ status }) => status === 401).length).toBeGreaterThan(0)
    const [latest] = server.mock.state.resources('Observation').slice(-1)
    expect(JSON.stringify(latest)).toContain('Patient/ben')
    expect(stage.complaints).toEqual([])
  })

  it('ends the sign-in: the bar says so, nothing is lost, and signing in again delivers', async () => {
    const server = await startServer({ open: false })
    const stage = await setStage()
    const page = await stage.open(server.search, 'server')
    await signInAtServer(page, 'ada')
    await typeReading(page, '113')
    await seesAllDelivered(page, 1)

    server.mock.state.expireTokens()
    const ended = server.mock.faults.add({
      method: 'POST',
      url: '/auth/token',
      times: Infinity,
      fault: { kind: 'status', status: 400, body: '{"error":"invalid_grant"}' },
    })
    await typeReading(page, '114')
    await waitingForSignIn(page)
    await typeReading(page, '115')
    await seesWaiting(page, 2)
    await page.reload()
    await seesWaiting(page, 2)
    ended.remove()
    await goTo(page, 'Server')
    await page.getByText('The server has ended this sign-in.').waitFor()
    await signInAtServer(page, 'ada')
    await seesAllDelivered(page, 3)
    expect(storedSystolic(server)).toEqual([113, 114, 115])
    expect(stage.complaints).toEqual([])
  })

  it('is not asked twice for a sign-in that somebody refused', async () => {
    const server = await startServer({ open: false })
    const stage = await setStage()
    const page = await stage.open(server.search, 'server')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByLabel('User name').fill('ada')
    await page.getByLabel('Password').fill('ada')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('button', { name: 'Deny' }).click()
    await page.getByRole('alert').getByText('said no').waitFor()
    await page.getByText('Nobody is signed in.').waitFor()
    expect(new URL(page.url()).search).toBe(server.search)
  })
})

describe('the demo server', () => {
  it('asks who sends when it is told to, lets people in, throws them out, and lets them in again', async () => {
    const stage = await setStage()
    const page = await stage.open()
    await page.getByRole('switch', { name: 'Ask who sends' }).press('Space')
    await page.getByRole('switch', { name: 'Ask who sends', checked: true }).waitFor()
    await typeReading(page, '116')
    await waitingForSignIn(page)
    await goTo(page, 'Server')
    await signInAtServer(page, 'ada')
    await page.getByTestId('patient').getByText('Patient/ada').waitFor()
    await seesAllDelivered(page, 1)

    await page.getByRole('button', { name: 'End the sign-in' }).click()
    // The receiver of envelopes asks too.
    await chooseEnvelopes(page, 'JWE')
    await typeReading(page, '117')
    await waitingForSignIn(page)
    await goTo(page, 'Server')
    await signInAtServer(page, 'ada')
    await seesAllDelivered(page, 2)
    await goTo(page, 'Trends')
    // Both are hers: what was measured before anybody had signed in has found its patient.
    for (const systolic of ['116', '117'])
      await page.getByRole('cell', { name: systolic, exact: true }).waitFor()

    await goTo(page, 'Server')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('Nobody is signed in.').waitFor()
    expect(stage.requested.filter((url) => !url.startsWith(stage.url))).toEqual([])
    expect(stage.complaints).toEqual([])
  })
})
