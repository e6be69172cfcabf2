import type { QueueLimits } from '@fhir-outbox/queue-core'

const gibibyte = 1024 ** 3
const patienceMs = 500

/** Half of what the browser grants the site: the rest is for everybody else on it. */
export async function limitsWithin(limits: QueueLimits): Promise<Required<QueueLimits>> {
  const { entries = 1_000_000, bytes } = limits
  if (bytes !== undefined) return { entries, bytes }
  const quota = await estimatedQuota()
  return { entries, bytes: Math.min(2 * gibibyte, quota === undefined ? Infinity : Math.floor(quota / 2)) }
}

async function estimatedQuota(): Promise<number | undefined> {
  try {
    return (await navigator.storage.estimate()).quota
  } catch {
    return undefined
  }
}

/**
 * Asks the browser not to evict the site's data when space runs out. Some browsers ask the person: the answer is
 * awaited for a moment only, and told to `granted` whenever it comes.
 */
export async function askToPersist(ask: boolean, granted: () => void): Promise<void> {
  async function answer(): Promise<void> {
    try {
      const { storage } = navigator
      if ((await storage.persisted()) || (ask && (await storage.persist()))) granted()
    } catch {
      // An old browser, a worker that may not ask, or no browser: evictable it stays.
    }
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patienceMs)
  })
  await Promise.race([answer(), patience])
  clearTimeout(timer)
}
