import type { ConnectionOptions, TraceEvent } from '../types.js'

/** Adds the time to each event. A listener that throws must not break what it watches. */
export function tracer(
  connection: ConnectionOptions,
): (step: TraceEvent['step'], facts?: Omit<TraceEvent, 'at' | 'step'>) => void {
  const { trace } = connection
  if (trace === undefined) return () => undefined
  return (step, facts = {}) => {
    try {
      trace(Object.freeze({ at: (connection.now ?? Date.now)(), step, ...facts }))
    } catch {
      // Its own business.
    }
  }
}
