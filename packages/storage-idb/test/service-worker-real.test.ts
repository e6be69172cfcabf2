import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createMockServer } from '@fhir-outbox/mock-server'
import { chromium, type BrowserContext, type Page } from 'playwright'
import { build } from 'tsup'
import { expect, it, onTestFinished, vi } from 'vitest'
import { chromiumArgs } from '../../../scripts/chromium-args.mjs'
import { findChromium } from '../../../scripts/find-chromium.mjs'

function source(name: string): string {
  return fileURLToPath(new URL(`worker/${name}.ts`, import.meta.url))
}

/** The page and the worker, bundled for a browser. */
async function bundled(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fhir-outbox-worker-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await build({
    config: false,
    entry: { worker: source('worker'), page: source('page') },
    outDir: folder,
    format: ['esm'],
    target: 'es2022',
    platform: 'browser',
    splitting: false,
    noExternal: [/.*/],
    silent: true,
    tsconfig: fileURLToPath(new URL('../../../tsconfig.base.json', import.meta.url)),
    esbuildOptions(options) {
      options.conditions = ['@fhir-outbox/source']
    },
  })
  return folder
}

/** A site with the application at `/`, its scripts, and a page without any at `/empty`. */
async function served(folder: string): Promise<string> {
  const site = createServer((request, response) => {
    const path = request.url ?? ''
    const script = path === '/worker.js' || path === '/page.js'
    response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html')
    if (script) void readFile(join(folder, path)).then((text) => response.end(text))
    else if (path === '/empty') response.end('<!doctype html><title>empty</title>')
    else response.end('<!doctype html><script type="module" src="/page.js"></script>')
  })
  await new Promise<void>((resolve) => {
    site.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    site.close()
    site.closeAllConnections()
  })
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}`
}

/** Chromium with a profile of its own. */
async function launched(): Promise<BrowserContext> {
  const executablePath = findChromium()
  const browser = await chromium.launch({
    args: chromiumArgs,
    ...(executablePath === undefined ? {} : { executablePath }),
  })
  onTestFinished(() => browser.close())
  return await browser.newContext()
}

async function open(context: BrowserContext, origin: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(origin)
  await page.waitForFunction(() => globalThis.page !== undefined)
  return page
}

/** What Chromium itself does when it believes that there is a network. */
async function background(page: Page, origin: string): Promise<() => Promise<void>> {
  const session = await page.context().newCDPSession(page)
  const registered = new Promise<string>((resolve) => {
    session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      for (const { registrationId, scopeURL } of registrations) {
        if (scopeURL.startsWith(origin)) resolve(registrationId)
      }
    })
  })
  await session.send('ServiceWorker.enable')
  const registrationId = await registered
  return async () => {
    await session.send('ServiceWorker.dispatchSyncEvent', {
      origin,
      registrationId,
      tag: 'fhir-outbox',
      lastChance: false,
    })
  }
}

it('delivers when a page asks, and by Background Sync when all pages of the application are closed', async () => {
  const mock = createMockServer({ open: true })
  const server = await mock.listen()
  onTestFinished(() => server.close())
  const arrived = (): unknown[] => mock.state.resources('Observation').map(({ id }) => id)
  const gate = `${server.url}/fhir`
  const origin = await served(await bundled())
  const context = await launched()
  const page = await open(context, origin)
  await page.evaluate(([to]) => globalThis.page.append(String(to), ['a', 'b', 'c']), [gate])
  expect(await page.evaluate(() => globalThis.page.byMessage())).toBe('message')
  await page.waitForFunction(() => globalThis.page.told.length > 0)
  expect(await page.evaluate(() => globalThis.page.told)).toEqual([
    { type: 'fhir-outbox-delivery', tag: 'fhir-outbox', outcome: 'done' },
  ])
  expect(arrived()).toEqual(['a', 'b', 'c'])
  const first = { accepted: 3, delivered: 3, unknown: 0, waiting: 0 }
  expect(await page.evaluate(() => globalThis.page.counts())).toEqual(first)

  // Nobody answers: a browser cannot tell whether the first was sent, and nothing else is.
  await server.pause()
  await page.evaluate(([to]) => globalThis.page.append(String(to), ['d', 'e']), [gate])
  const sync = await background(page, origin)
  await sync()
  await vi.waitFor(async () => {
    expect(await page.evaluate(() => globalThis.page.counts())).toMatchObject({ unknown: 1, waiting: 2 })
  }, 20_000)
  expect(arrived()).toEqual(['a', 'b', 'c'])
  await server.resume()

  const empty = await context.newPage()
  await empty.goto(`${origin}/empty`)
  const later = await background(empty, origin)
  await page.close()
  await vi.waitFor(
    async () => {
      await later()
      expect(arrived()).toEqual(['a', 'b', 'c', 'd', 'e'])
    },
    { timeout: 20_000, interval: 200 },
  )
  const again = await open(context, origin)
  await vi.waitFor(async () => {
    const last = { accepted: 5, delivered: 5, unknown: 0, waiting: 0 }
    expect(await again.evaluate(() => globalThis.page.counts())).toEqual(last)
  }, 20_000)
  const effects = mock.state.commits.map(({ id, version }) => `${id} ${version}`)
  expect(effects).toEqual(['a 1', 'b 1', 'c 1', 'd 1', 'e 1'])
}, 60_000)
