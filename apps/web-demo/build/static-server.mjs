import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname, join, normalize, sep } from 'node:path'
import { headerPolicy } from './content-security-policy.mjs'

/** @type {Record<string, string>} */
const types = {
  '.html': 'text/html;charset=utf-8',
  '.js': 'text/javascript;charset=utf-8',
  '.css': 'text/css;charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
}

/**
 * Serves the built app on the loopback interface, with the headers that a public server should send too.
 * @param {{ folder: string, port?: number }} options port 0 (the default): a free one
 * @returns {Promise<{ url: string, close(): Promise<void> }>}
 */
export async function serveApp({ folder, port = 0 }) {
  const server = createServer((request, response) => {
    answer(folder, request.url ?? '/').then(
      ({ status, headers, body }) => response.writeHead(status, headers).end(body),
      () => response.writeHead(500).end(),
    )
  })
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(undefined))
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port.')
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/**
 * @param {string} folder
 * @param {string} address
 */
async function answer(folder, address) {
  const { pathname } = new URL(address, 'http://localhost')
  const path = normalize(
    join(folder, decodeURIComponent(pathname.endsWith('/') ? `${pathname}index.html` : pathname)),
  )
  const body = path.startsWith(folder + sep) ? await readFile(path).catch(() => undefined) : undefined
  if (body === undefined) {
    return { status: 404, headers: { 'content-type': 'text/plain' }, body: 'There is no such file.' }
  }
  return {
    status: 200,
    headers: {
      'content-type': types[extname(path)] ?? 'application/octet-stream',
      'content-security-policy': headerPolicy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      // File names under assets/ change with their content; nothing else may be kept unasked.
      'cache-control': pathname.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    },
    body,
  }
}
