import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chromium } from 'playwright'
import type { Figure } from './report.js'
import { freshFolder } from './storage/folder.js'

declare global {
  /** What the `page.ts` of a benchmark offers. */
  var benchmark: (rounds: number, server: string) => Promise<readonly Figure[]>
}

/**
 * Runs the `page.ts` of a benchmark in Chromium, with its profile on the disk, in an empty page of this machine.
 * `fhirServer` is the base URL of one that it may talk to.
 */
export async function figuresOfPage(rounds: number, fhirServer = ''): Promise<readonly Figure[]> {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end('<!doctype html><title>bench</title>')
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const profile = freshFolder()
  const executablePath = process.env['CHROMIUM_PATH']
  const context = await chromium.launchPersistentContext(profile.path, {
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    ...(executablePath === undefined ? {} : { executablePath }),
  })
  try {
    const page = await context.newPage()
    page.on('pageerror', (error) => console.error(error))
    const { port } = server.address() as AddressInfo
    await page.goto(`http://127.0.0.1:${port}/`)
    await page.addScriptTag({ content: readFileSync(new URL('page.global.js', import.meta.url), 'utf8') })
    return await page.evaluate(([count, url]) => globalThis.benchmark(count, url), [
      rounds,
      fhirServer,
    ] as const)
  } finally {
    await context.close()
    server.close()
    profile.remove()
  }
}
