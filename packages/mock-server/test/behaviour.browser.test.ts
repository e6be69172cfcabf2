import { setupWorker } from 'msw/browser'
import { createMockServer } from '../src/index.js'
import { behaves } from './behaviour.js'

behaves('setupWorker', async () => {
  const mock = createMockServer()
  const worker = setupWorker(...mock.handlers)
  await worker.start({ quiet: true, onUnhandledRequest: 'bypass' })
  return { mock, root: 'https://mock.example', close: () => worker.stop() }
})

behaves('setupWorker, below the path of a page', async () => {
  const root = `${location.origin}/mock`
  const mock = createMockServer({ origin: root })
  const worker = setupWorker(...mock.handlers)
  await worker.start({ quiet: true, onUnhandledRequest: 'bypass' })
  return { mock, root, close: () => worker.stop() }
})
