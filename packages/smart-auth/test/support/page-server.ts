import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { chromium, type BrowserContext } from 'playwright'
import { build } from 'tsup'
import { onTestFinished } from 'vitest'
import { chromiumArgs } from '../../../../scripts/chromium-args.mjs'
import { findChromium } from '../../../../scripts/find-chromium.mjs'
import { root } from '../../../../scripts/workspace.mjs'

/** Serves the page app on loopback: every path under /app/ is the page. */
export async function pageServer(): Promise<{
  readonly origin: string
  use(settings: Record<string, unknown>): void
}> {
  await mkdir(join(root, '.cache'), { recursive: true })
  const outDir = await mkdtemp(join(root, '.cache', 'page-'))
  onTestFinished(() => rm(outDir, { recursive: true, force: true }))
  await build({
    config: false,
    entry: { app: join(root, 'packages/smart-auth/test/support/page-app.ts') },
    outDir,
    format: ['esm'],
    target: 'es2022',
    platform: 'browser',
    noExternal: [/.*/],
    silent: true,
    splitting: false,
    tsconfig: join(root, 'tsconfig.base.json'),
    esbuildOptions(options) {
      options.conditions = ['@fhir-outbox/source']
    },
  })
  const script = await readFile(join(outDir, 'app.js'), 'utf8')
  let settings: Record<string, unknown> = {}
  const server = createServer((request, response) => {
    if (request.url === '/app.js') {
      response.setHeader('content-type', 'text/javascript')
      response.end(script)
      return
    }
    response.setHeader('content-type', 'text/html')
    response.end(
      `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><p id=state>…</p><button>Sign in</button>` +
        `<script>window.settings = ${JSON.stringify(settings)}</script><script type=module src=/app.js></script>`,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    use(given) {
      settings = given
    },
  }
}

/** A real Chromium with an empty profile; closed after the test. */
export async function freshChromium(): Promise<BrowserContext> {
  const executablePath = findChromium()
  const browser = await chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: chromiumArgs,
  })
  onTestFinished(() => browser.close())
  return browser.newContext()
}

/** Everything a page of this origin keeps, as text: web storage and all IndexedDB databases. */
export async function storedText(page: Awaited<ReturnType<BrowserContext['newPage']>>): Promise<string> {
  return page.evaluate(async () => {
    const texts = [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })]
    const show = (value: unknown): string => {
      if (value instanceof CryptoKey) return `key extractable=${value.extractable}`
      if (value instanceof Uint8Array) return String.fromCharCode(...value)
      if (typeof value === 'object' && value !== null)
        return Object.entries(value)
          .map(([k, v]) => `${k}:${show(v)}`)
          .join()
      return String(value)
    }
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open(name ?? '')
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(new Error('not opened'))
      })
      for (const table of database.objectStoreNames) {
        const rows = await new Promise<unknown[]>((resolve, reject) => {
          const request = database.transaction(table).objectStore(table).getAll()
          request.onsuccess = () => resolve(request.result as unknown[])
          request.onerror = () => reject(new Error('not read'))
        })
        texts.push(...rows.map(show))
      }
      database.close()
    }
    return texts.join('\n')
  })
}
