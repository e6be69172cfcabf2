import { delay, http, HttpResponse } from 'msw'
import { setupServer } from 'msw/node'
import { kySender } from '../src/index.js'
import { keepAliveSender } from '../src/node/index.js'
import { startHttpServer, type Handler, type SeenRequest } from './support/http-server.js'
import { describeSenderContract } from './support/sender-contract.js'

const answering: Handler = ({ url, body }, response, incoming) => {
  const path = url.replace(/\?.*$/, '')
  const status = Number(path.split('/')[2])
  if (path === '/echo') response.end(body)
  else if (path.startsWith('/status/')) {
    response.writeHead(status, { 'retry-after': '0' })
    response.end(JSON.stringify({ status }))
  } else if (path.startsWith('/redirect/')) {
    response.writeHead(status, { location: '/echo' })
    response.end()
  } else if (path === '/cut') incoming.socket.destroy()
}

describeSenderContract('ky over a socket', async () => {
  const server = await startHttpServer(answering)
  return { sender: kySender(), baseUrl: server.url, seen: server.seen, close: () => server.close() }
})

describeSenderContract('undici over a socket', async () => {
  const server = await startHttpServer(answering)
  const sender = keepAliveSender()
  const close = async (): Promise<void> => {
    await server.close()
    await sender.close()
  }
  return { sender, baseUrl: server.url, seen: server.seen, close }
})

describeSenderContract('ky over MSW', async () => {
  const baseUrl = 'https://fhir.example.test'
  const seen: SeenRequest[] = []
  const server = setupServer(
    http.all(`${baseUrl}/*`, async ({ request }) => {
      const url = new URL(request.url)
      const body = new Uint8Array(await request.arrayBuffer())
      const headers = Object.fromEntries(request.headers)
      seen.push({ method: request.method, url: url.pathname + url.search, headers, body })
      const status = Number(url.pathname.split('/')[2])
      if (url.pathname === '/echo') return new HttpResponse(body)
      if (url.pathname.startsWith('/status/')) {
        return HttpResponse.json({ status }, { status, headers: { 'retry-after': '0' } })
      }
      if (url.pathname.startsWith('/redirect/')) {
        return new HttpResponse(null, { status, headers: { location: '/echo' } })
      }
      if (url.pathname === '/hang') await delay('infinite')
      return HttpResponse.error()
    }),
  )
  server.listen({ onUnhandledRequest: 'error' })
  return { sender: kySender(), baseUrl, seen, close: () => server.close() }
})
