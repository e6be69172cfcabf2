import { setupServer } from 'msw/node'
import { createMockServer } from '../src/index.js'
import { behaves } from './behaviour.js'

behaves('setupServer', async () => {
  const mock = createMockServer()
  const server = setupServer(...mock.handlers)
  server.listen({ onUnhandledRequest: 'error' })
  return { mock, root: 'https://mock.example', close: () => server.close() }
})

behaves('listen', async () => {
  const mock = createMockServer()
  const listening = await mock.listen()
  return { mock, root: listening.url, close: () => listening.close() }
})
