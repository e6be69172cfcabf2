import { lazyScript } from './lazy-script.js'
import type { MockHost } from './mock-host.js'

declare const self: { readonly fhirOutboxMock?: { openMockHost(root: string): MockHost } }

/** Requests to `/mock/**` go to a mock server that lives in the service worker. */
export function mockAnswers(base: string): {
  prepare(): void
  /** Rejects or answers with an error where there is no mock: a server that cannot be reached. */
  reply(request: Request): Promise<Response>
  answer(request: Request): Promise<Response> | undefined
} {
  const root = new URL('mock', base).href
  const script = lazyScript(new URL('mock-server.js', base).href, () => self.fhirOutboxMock)
  let host: MockHost | undefined

  async function reply(request: Request): Promise<Response> {
    host ??= script.load().openMockHost(root)
    return await host.answer(request)
  }

  return {
    prepare: script.prepare,
    reply,
    answer(request) {
      const { href } = new URL(request.url)
      return href === root || href.startsWith(`${root}/`) ? reply(request) : undefined
    },
  }
}
