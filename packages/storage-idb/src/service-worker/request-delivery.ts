import { defaultTag, wakeUp } from './deliver-in-background.js'

/** The part of a `ServiceWorkerRegistration` that is needed. */
export interface WorkerRegistration {
  readonly active: { postMessage(message: unknown): void } | null
  readonly sync?: { register(tag: string): Promise<void> }
}

/** Options of `requestDelivery`. */
export interface RequestOptions {
  /** Default: the registration of this page, when it has one. */
  readonly registration?: WorkerRegistration
  /** As in `deliverInBackground`. Default `fhir-outbox`. */
  readonly tag?: string
}

/**
 * Asks the service worker to deliver what waits, e.g. after an enqueue: by Background Sync where the browser has it,
 * which also works when the page is closed before there is a network; else by a message. Resolves to how it was
 * asked; `none` when there is no service worker that could be.
 */
export async function requestDelivery({ registration, tag = defaultTag }: RequestOptions = {}): Promise<
  'sync' | 'message' | 'none'
> {
  const worker = registration ?? (await ownRegistration())
  if (worker?.sync !== undefined) {
    try {
      await worker.sync.register(tag)
      return 'sync'
    } catch {
      // The person has forbidden background work: a message still reaches the worker.
    }
  }
  if (worker === undefined || worker.active === null) return 'none'
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
  worker.active.postMessage({ type: wakeUp, tag })
  return 'message'
}

async function ownRegistration(): Promise<WorkerRegistration | undefined> {
  try {
    return await globalThis.navigator?.serviceWorker?.getRegistration()
  } catch {
    // Site data is forbidden, or the page stands in a sandbox.
    return undefined
  }
}
