import { createMockServer, type MockServer } from '@fhir-outbox/mock-server'
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
} from 'playwright'
import { afterAll, beforeAll, inject, onTestFinished } from 'vitest'
import { chromiumArgs } from '../../../../scripts/chromium-args.mjs'
import { findChromium } from '../../../../scripts/find-chromium.mjs'
import { addPeople } from '../../src/sw/mock-people.js'
import { serveApp } from '../../build/static-server.mjs'

/** A browser with nothing in it, and the app on a server of its own. Everything ends with the test. */
export interface Stage {
  readonly context: BrowserContext
  readonly url: string
  /** Opens the app in a new tab and waits until it shows a screen. */
  open(search?: string, screen?: string): Promise<Page>
  /** The web server of the app goes away; what was loaded stays. */
  unplug(): Promise<void>
  /** Addresses of everything that pages and workers asked for. */
  readonly requested: readonly string[]
  /** Errors that pages threw or logged, policy violations included. */
  readonly complaints: readonly string[]
}

const launch = { args: chromiumArgs, executablePath: findChromium() ?? '/usr/bin/chromium' }

/** A failed request is logged by the browser; in these tests most are wanted. */
const expectedComplaint = /Failed to load resource|net::ERR_/

let browser: Browser | undefined

/** Call once at the top of a test file: one Chromium for all its tests, each of which gets a profile of its own. */
export function useBrowser(): void {
  beforeAll(async () => {
    browser = await chromium.launch(launch)
  })
  afterAll(async () => {
    await browser?.close()
  })
}

export async function setStage(options: BrowserContextOptions = {}): Promise<Stage> {
  if (browser === undefined) throw new Error('Call useBrowser() at the top of the test file.')
  const app = await serveApp({ folder: inject('appFolder') })
  const context = await browser.newContext({
    reducedMotion: 'reduce',
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    ...options,
  })
  onTestFinished(async () => {
    await context.close()
    await app.close()
  })
  context.setDefaultTimeout(15_000)
  const requested: string[] = []
  const complaints: string[] = []
  context.on('request', (request) => requested.push(request.url()))
  context.on('weberror', (error) => complaints.push(String(error.error())))
  context.on('console', (message) => {
    if (message.type() === 'error' && !expectedComplaint.test(message.text())) complaints.push(message.text())
  })
  return {
    context,
    url: app.url,
    async open(search = '', screen = 'measure') {
      const page = await context.newPage()
      await page.goto(`${app.url}${search}#/${screen}`)
      await page.getByRole('region', { name: 'State of delivery' }).waitFor()
      return page
    },
    unplug: () => app.close(),
    requested,
    complaints,
  }
}

/** A FHIR server on a socket, which the app is pointed to by `search`. */
export interface OwnServer {
  readonly mock: MockServer
  readonly search: string
  /** Its address without a path. */
  readonly url: string
  goAway(): Promise<void>
  comeBack(): Promise<void>
}

/** `open: false`: it takes nothing from anybody who is not signed in; ada and dora may. */
export async function startServer({ open = true } = {}): Promise<OwnServer> {
  const profiles = { c3pro: { tokens: open ? 'none' : 'any' } } as const
  const mock = createMockServer({ open, seed: 11, profiles })
  if (!open) addPeople(mock.state)
  const listening = await mock.listen()
  onTestFinished(() => listening.close())
  return {
    mock,
    search: searchFor(listening.url),
    url: listening.url,
    goAway: () => listening.pause(),
    comeBack: () => listening.resume(),
  }
}

/** How the app is pointed to a server. */
export function searchFor(url: string, { receiver = false } = {}): string {
  const query = new URLSearchParams({ server: `${url}/fhir`, lag: '0' })
  if (receiver) query.set('receiver', `${url}/c3pro/encfhir`)
  return `?${query}`
}

/** The systolic values the server stored, in the order in which it stored them. */
export function storedSystolic({ mock }: OwnServer): readonly number[] {
  return mock.state.commits.flatMap(({ type, id, version }) => {
    if (type !== 'Observation' || version !== 1) return []
    const components: unknown = mock.state.get(type, id)?.['component']
    const [systolic] = Array.isArray(components) ? (components as { valueQuantity: { value: number } }[]) : []
    return systolic === undefined ? [] : [systolic.valueQuantity.value]
  })
}
