// `pnpm demo:web`: builds the app, serves it on this machine and prints its address. Ctrl-C ends it.
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { serveApp } from './static-server.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = fileURLToPath(new URL('../dist', import.meta.url))
const wanted = Number(process.env['PORT'] ?? 4173)

console.log('Building …')
await build({ root, logLevel: 'error', build: { outDir: folder, emptyOutDir: true } })

// The usual port if it is free: the browser keeps readings by address.
const app = await serveApp({ folder, port: wanted }).catch((error) => {
  if (error.code === 'EADDRINUSE' && process.env['PORT'] === undefined) return serveApp({ folder })
  throw error
})
console.log(`FHIR Outbox web demo: ${app.url}`)
console.log('Ctrl-C ends it. What was measured stays in the browser.')

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    app.close().then(() => process.exit(0))
  })
}
