import { createMockServer } from '@fhir-outbox/mock-server'
import { describe, expect, it, onTestFinished } from 'vitest'
import { freshChromium, pageServer, storedText } from './support/page-server.js'
import { app, strictServer } from './support/strict-server.js'

describe('a person in a real browser', () => {
  it('signs in through the pages of oidc-provider with reloads in between; two tabs share one refresh', async () => {
    const pages = await pageServer()
    const redirectUri = `${pages.origin}/app/callback`
    const server = await strictServer([{ ...app, redirect_uris: [redirectUri] }])
    const scope = 'openid fhirUser offline_access patient/*.rs'
    pages.use({
      fhirBaseUrl: server.fhir,
      clientId: 'app',
      redirectUri,
      scope,
      parameters: { prompt: 'consent' },
    })
    const context = await freshChromium()
    const page = await context.newPage()

    await page.goto(`${pages.origin}/app/`)
    await page.getByText('signed out').waitFor()
    await page.reload()
    await page.getByText('signed out').waitFor()
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${server.issuer}/interaction/**`)
    await page.reload()
    await page.locator('input[name=login]').fill('p1')
    await page.locator('input[name=password]').fill('marker-password')
    await page.locator('button').first().click()
    await page.locator('input[value=consent]').waitFor({ state: 'attached' })
    await page.reload()
    await page.locator('button').first().click()
    await page.getByText('signed in: p1').waitFor()
    // Code and state are out of the address, and of the history.
    expect(page.url()).toBe(redirectUri)
    await page.reload()
    await page.getByText('signed in: p1').waitFor()
    expect(server.grants).toEqual([{ grant: 'authorization_code', status: 200 }])

    const secrets = await page.evaluate(() => window.session?.secrets())
    const stored = await storedText(page)
    expect(stored).toContain('key extractable=false')
    expect(stored).not.toContain('extractable=true')
    for (const secret of Object.values(secrets ?? {})) expect(stored).not.toContain(secret)
    expect(stored).not.toMatch(/eyJ|marker/)

    const second = await context.newPage()
    await second.goto(`${pages.origin}/app/`)
    await second.getByText('signed in: p1').waitFor()
    const rejected = secrets?.accessToken ?? ''
    const ask = ([url, old]: readonly string[]): Promise<string | undefined> | undefined =>
      window.session?.getToken({ url: url ?? '', rejected: old ?? '' }).then(({ value }) => value)
    const values = await Promise.all([page, second].map((tab) => tab.evaluate(ask, [server.fhir, rejected])))
    expect(new Set(values).size).toBe(1)
    expect(values[0]).not.toBe(rejected)
    expect(server.grants.slice(1)).toEqual([{ grant: 'refresh_token', status: 200 }])
    await second.reload()
    await second.getByText('signed in: p1').waitFor()
    const after = await second.evaluate(ask, [server.fhir, values[0] ?? ''])
    expect(after).not.toBe(values[0])
    expect(server.grants.every(({ status }) => status === 200)).toBe(true)

    // A login begun in one tab is not completed in another.
    await page.goto(`${pages.origin}/app/`)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${server.issuer}/interaction/**`)
    await page.locator('button').first().click()
    await page.getByText('signed in: p1').waitFor()
    await second.goto(`${redirectUri}?code=foreign&state=${'A'.repeat(43)}`)
    await second.getByText('failed: AuthError').waitFor()
    expect(second.url()).toBe(redirectUri)
  }, 40_000)

  it('signs in through the pages of the mock, chooses, and says no', async () => {
    const pages = await pageServer()
    const redirectUri = `${pages.origin}/app/callback`
    const mock = createMockServer({ seed: 6 })
    const listening = await mock.listen()
    onTestFinished(() => listening.close())
    mock.state.addClient({ clientId: 'app', redirectUris: [redirectUri] })
    mock.state.load(
      ['p1', 'p2'].map((id) => ({ resourceType: 'Patient', id, name: [{ family: `Family-${id}` }] })),
    )
    mock.state.addUser({ username: 'doctor', password: 'marker-password', fhirUser: 'Practitioner/d' })
    const scope = 'openid fhirUser offline_access patient/*.rs'
    pages.use({ fhirBaseUrl: `${listening.url}/fhir`, clientId: 'app', redirectUri, scope })
    const page = await (await freshChromium()).newPage()

    await page.goto(`${pages.origin}/app/`)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByLabel('User name').fill('doctor')
    await page.getByLabel('Password').fill('wrong')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('alert').waitFor()
    await page.getByLabel('User name').fill('doctor')
    await page.getByLabel('Password').fill('marker-password')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByLabel('Family-p2').check()
    await page.reload()
    await page.getByLabel('Family-p2').check()
    await page.getByRole('button', { name: 'Allow' }).click()
    await page.getByText('signed in: p2').waitFor()
    expect(page.url()).toBe(redirectUri)
    await page.reload()
    await page.getByText('signed in: p2').waitFor()
    await page.goBack()
    expect(page.url()).not.toMatch(/code=|state=.*code/)

    await page.goto(`${pages.origin}/app/`)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByLabel('User name').fill('doctor')
    await page.getByLabel('Password').fill('marker-password')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('button', { name: 'Deny' }).click()
    await page.getByText('access_denied').waitFor()
    expect(page.url()).toBe(redirectUri)
    // The earlier session is still there.
    await page.reload()
    await page.getByText('signed in: p2').waitFor()
  }, 40_000)
})
