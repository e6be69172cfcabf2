import { describe, expect, it, vi } from 'vitest'
import {
  deliverInBackground,
  requestDelivery,
  type BackgroundMessage,
  type BackgroundOptions,
  type WorkerScope,
} from '../src/service-worker/index.js'

interface Asked {
  readonly work: Promise<unknown>[]
}

/** A service worker's scope, with or without Background Sync. */
class Scope implements WorkerScope {
  readonly listeners = new Map<string, (event: never) => void>()
  readonly told: BackgroundMessage[] = []
  readonly registered: string[] = []
  readonly registration: NonNullable<WorkerScope['registration']>
  readonly clients = {
    matchAll: async () => [
      { postMessage: (message: unknown) => void this.told.push(message as BackgroundMessage) },
    ],
  }

  constructor(withSync: boolean) {
    const sync = {
      register: async (tag: string) => {
        this.registered.push(tag)
      },
    }
    this.registration = withSync ? { sync } : {}
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.listeners.set(type, listener)
  }

  async fire(type: string, details: object = {}): Promise<PromiseSettledResult<unknown>[]> {
    const asked: Asked = { work: [] }
    const event = { ...details, waitUntil: (work: Promise<unknown>) => void asked.work.push(work) }
    this.listeners.get(type)?.(event as never)
    return await Promise.allSettled(asked.work)
  }
}

function queue(waiting: () => number): { readonly log: string[]; readonly open: BackgroundOptions['open'] } {
  const log: string[] = []
  return {
    log,
    open: async () => {
      log.push('open')
      return {
        async flush() {
          log.push('flush')
          return { waiting: waiting() }
        },
        async close() {
          log.push('close')
        },
      }
    },
  }
}

describe('deliverInBackground', () => {
  it('delivers when the browser says so, and asks to be called again while something waits', async () => {
    let waiting = 1
    const scope = new Scope(true)
    const { log, open } = queue(() => waiting)
    deliverInBackground({ open, scope })
    expect(log).toEqual([])
    expect(await scope.fire('sync', { tag: 'somebody else' })).toEqual([])
    expect(await scope.fire('sync', { tag: 'fhir-outbox' })).toMatchObject([{ status: 'rejected' }])
    waiting = 0
    expect(await scope.fire('sync', { tag: 'fhir-outbox' })).toMatchObject([{ status: 'fulfilled' }])
    expect(log).toEqual(['open', 'flush', 'close', 'open', 'flush', 'close'])
    expect(scope.told.map(({ outcome }) => outcome)).toEqual(['waiting', 'done'])
    expect([...scope.listeners.keys()].toSorted()).toEqual(['message', 'sync'])
  })

  it('without Background Sync delivers at its start, when activated, online, and when asked', async () => {
    const scope = new Scope(false)
    const { log, open } = queue(() => 0)
    const background = deliverInBackground({ open, scope })
    expect(await background.deliver()).toBe('done')
    expect(log).toEqual(['open', 'flush', 'close'])
    await scope.fire('activate')
    await scope.fire('online')
    // That one runs, so this is one more.
    await background.deliver()
    await scope.fire('message', { data: 'something else' })
    await scope.fire('message', { data: { type: 'fhir-outbox-deliver', tag: 'another queue' } })
    expect(log.filter((what) => what === 'flush')).toHaveLength(4)
    await scope.fire('message', { data: { type: 'fhir-outbox-deliver', tag: 'fhir-outbox' } })
    expect(log.filter((what) => what === 'flush')).toHaveLength(5)
  })

  it('tries nothing without a token, and tells the pages that somebody must sign in', async () => {
    const scope = new Scope(true)
    const { log, open } = queue(() => 0)
    const urls: string[] = []
    let code = 'ERR_LOGIN_REQUIRED'
    const tokens = {
      async getToken({ url }: { readonly url: string }): Promise<never> {
        urls.push(url)
        throw Object.assign(new Error('no token'), { code })
      },
    }
    deliverInBackground({ open, scope, tokens, url: 'https://fhir.example.org' })
    // Trying again would not sign anybody in.
    expect(await scope.fire('sync', { tag: 'fhir-outbox' })).toMatchObject([{ status: 'fulfilled' }])
    code = 'ERR_AUTH_UNREACHABLE'
    expect(await scope.fire('sync', { tag: 'fhir-outbox' })).toMatchObject([{ status: 'rejected' }])
    expect([log, urls]).toEqual([[], ['https://fhir.example.org', 'https://fhir.example.org']])
    expect(scope.told).toEqual([
      { type: 'fhir-outbox-delivery', tag: 'fhir-outbox', outcome: 'login-required' },
      { type: 'fhir-outbox-delivery', tag: 'fhir-outbox', outcome: 'no-token' },
    ])
  })

  it('joins the delivery that runs, survives one that fails, and has the browser call later', async () => {
    const scope = new Scope(true)
    let opened = 0
    let fails = true
    const background = deliverInBackground({
      scope,
      async open() {
        opened++
        if (fails) throw new Error('no database')
        return await queue(() => 0).open()
      },
    })
    expect(await Promise.all([background.deliver(), background.deliver()])).toEqual(['failed', 'failed'])
    expect(opened).toBe(1)
    const message = { data: { type: 'fhir-outbox-deliver', tag: 'fhir-outbox' } }
    await scope.fire('message', message)
    expect(scope.registered).toEqual(['fhir-outbox'])
    fails = false
    await scope.fire('message', message)
    expect([opened, scope.registered.length]).toEqual([3, 1])
  })

  it('delivers once more for whoever asks while a delivery runs, which may have looked already', async () => {
    const scope = new Scope(true)
    let waiting = 0
    const looked: number[] = []
    let close = (): void => undefined
    const closing = new Promise<void>((resolve) => {
      close = resolve
    })
    const { deliver } = deliverInBackground({
      scope,
      open: async () => ({
        async flush() {
          looked.push(waiting)
          return { waiting }
        },
        close: () => closing,
      }),
    })
    const first = deliver()
    await vi.waitFor(() => expect(looked).toEqual([0]))
    // Accepted by a page in this moment, which asks for its delivery at once, and so does another.
    waiting = 1
    const later = [deliver(), scope.fire('sync', { tag: 'fhir-outbox' })]
    close()
    expect([await first, ...(await Promise.all(later))]).toMatchObject([
      'done',
      'waiting',
      [{ status: 'rejected' }],
    ])
    expect(looked).toEqual([0, 1])
  })
})

describe('requestDelivery', () => {
  it('uses Background Sync, else a message, else says that nobody is there', async () => {
    const messages: unknown[] = []
    const tags: string[] = []
    const active = { postMessage: (message: unknown) => void messages.push(message) }
    const register = async (tag: string): Promise<void> => {
      if (tag === 'forbidden') throw new Error('permission')
      tags.push(tag)
    }
    expect(await requestDelivery({ registration: { active, sync: { register } } })).toBe('sync')
    expect(await requestDelivery({ registration: { active, sync: { register } }, tag: 'forbidden' })).toBe(
      'message',
    )
    expect(await requestDelivery({ registration: { active } })).toBe('message')
    expect(await requestDelivery({ registration: { active: null } })).toBe('none')
    expect(await requestDelivery()).toBe('none')
    // A page without rights to its service worker.
    vi.stubGlobal('navigator', {
      serviceWorker: {
        getRegistration: () => Promise.reject(new DOMException('sandboxed', 'SecurityError')),
      },
    })
    expect(await requestDelivery().finally(() => vi.unstubAllGlobals())).toBe('none')
    expect(tags).toEqual(['fhir-outbox'])
    expect(messages).toEqual([
      { type: 'fhir-outbox-deliver', tag: 'forbidden' },
      { type: 'fhir-outbox-deliver', tag: 'fhir-outbox' },
    ])
  })
})
