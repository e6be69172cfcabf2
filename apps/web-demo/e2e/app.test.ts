import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, inject, it } from 'vitest'
import { goTo, seesAllDelivered, typeReading } from './support/person.js'
import { setStage, useBrowser } from './support/stage.js'

useBrowser()

describe('the installed app', () => {
  it('opens, measures and delivers with its web server gone, from the second load on', async () => {
    const stage = await setStage()
    const first = await stage.open()
    await first.close()
    await stage.unplug()
    const page = await stage.open()
    await page.getByRole('button', { name: 'Measure', exact: true }).click()
    await page.getByText('Stored as no. 1.').waitFor()
    await seesAllDelivered(page, 1)
    await page.reload()
    await seesAllDelivered(page, 1)
  })

  it('asks nobody else for anything', async () => {
    const stage = await setStage()
    const page = await stage.open()
    await typeReading(page, '128')
    await seesAllDelivered(page, 1)
    await goTo(page, 'Trends')
    await page.getByRole('cell', { name: '128', exact: true }).waitFor()
    await goTo(page, 'Outbox')
    await page.locator('[data-sequence="1"]').click()
    await page.getByRole('heading', { name: 'Receipt', exact: true }).waitFor()
    expect(stage.requested.length).toBeGreaterThan(5)
    expect(stage.requested.filter((url) => !url.startsWith(stage.url))).toEqual([])

    // And could not: the policy lets nothing out.
    const escaped = await page.evaluate(() =>
      fetch('http://127.0.0.1:9/').then(
        () => 'sent',
        () => 'refused',
      ),
    )
    expect(escaped).toBe('refused')
    expect(stage.complaints).not.toEqual([])
    expect(stage.complaints.filter((text) => !text.includes('Content Security Policy'))).toEqual([])
  })

  it('can be installed', async () => {
    const stage = await setStage()
    const page = await stage.open()
    const devtools = await stage.context.newCDPSession(page)
    const { errors } = await devtools.send('Page.getAppManifest')
    expect(errors).toEqual([])
    const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors')
    // A browser without a window of its own installs nothing.
    expect(installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito')).toEqual([])
  })

  it('loads at most 150 kB before the demo server', async () => {
    const stage = await setStage()
    const page = await stage.open()
    const loaded = await page.evaluate(() => [
      location.href,
      ...performance.getEntriesByType('resource').map(({ name }) => name),
    ])
    const files = new Set(
      loaded
        .map((url) => new URL(url).pathname.slice(1))
        .filter((path) => !path.startsWith('mock/'))
        .map((path) => (path === '' ? 'index.html' : path)),
    )
    const all = ['manifest.webmanifest', 'icon.svg', 'service-worker.js', ...files]
    expect(all.filter((path) => path.endsWith('.js') && path.startsWith('assets/'))).toHaveLength(1)
    expect(all.filter((path) => /mock-server|delivery/.test(path))).toEqual([])
    const folder = inject('appFolder')
    const sizes = await Promise.all(
      [...new Set(all)].map(async (path) => gzipSync(await readFile(join(folder, path))).length),
    )
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000)
  })

  it('says what is wrong with an address that names no server', async () => {
    const stage = await setStage()
    const page = await stage.context.newPage()
    await page.goto(`${stage.url}?server=ftp://example.org`)
    await page.getByRole('heading', { name: 'This address names no server' }).waitFor()
  })
})
