import type { Failure } from '@fhir-outbox/queue-core'
import { failureOf } from './classify.js'
import type { Destination, DeliveryWorld } from './destination.js'

/** What a control request showed. */
export type Health =
  { readonly state: 'well' | 'unsure' } | { readonly state: 'ill'; readonly failure: Failure }

/**
 * Reads a resource that cannot exist. A server in order says that there is none; one whose database is away says
 * something else, often the same 400 as it says to every write.
 */
export async function checkHealth(
  destination: Destination,
  world: DeliveryWorld,
  type: string,
  signal: AbortSignal,
): Promise<Health> {
  try {
    const path = `${type}/${world.uuid()}`
    await destination.endpoint.client.request({ method: 'GET', path, signal, timeoutMs: 10_000 })
    return { state: 'well' }
  } catch (error) {
    if (signal.aborted) throw error
    const failure = failureOf(error)
    if (failure.status === 404 || failure.status === 410) return { state: 'well' }
    if (failure.status === 403 || failure.status === 405) return { state: 'unsure' }
    return { state: 'ill', failure }
  }
}

/**
 * After a request without an answer, the next write has to wait until a read gets one: where the platform does not
 * say whether anything was sent (every browser), each write into a dead network would become one more unknown.
 */
export async function stillSilent(
  destination: Destination,
  world: DeliveryWorld,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  if (!destination.seen.doubtful || destination.endpoint.takes !== 'fhir') return undefined
  const health = await checkHealth(destination, world, 'Patient', signal)
  // Any answer of a server will do: what it means is for the write itself to find out.
  if (health.state === 'ill' && health.failure.status === undefined) return health.failure
  destination.seen.doubtful = false
  return undefined
}
