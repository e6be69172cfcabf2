import type { DataQueueEvent } from '@fhir-outbox/data-queue'
import type { Failure, GateStatus } from '@fhir-outbox/queue-core'
import { exitCodeFor } from '../agent-error.js'
import { exitCodes } from '../exit-codes.js'

/** What keeps entries waiting, as far as events tell. */
interface Blockers {
  see(event: DataQueueEvent): void
  /** Whether any destination is closed. */
  gateIsClosed(): boolean
  /**
   * The one to tell of: credentials, then what else a person has to correct, then a closed destination, then a lane
   * that is stuck.
   */
  worst(): Failure | undefined
}

/**
 * Remembers every blocker with the place it is about. What happens elsewhere is no reason to forget it: a closed
 * gate is forgotten when that gate opens, also while deliveries that were under way still end well; the failure of a
 * lane when that lane goes on.
 */
export function trackBlockers(): Blockers {
  const gates = new Map<string, GateStatus>()
  const lanes = new Map<string, Failure>()
  return {
    see(event) {
      switch (event.type) {
        case 'gate-closed':
          gates.set(event.gate.gate, event.gate)
          return
        case 'gate-opened':
          gates.delete(event.gate)
          return
        case 'delivered':
        case 'rejected':
        case 'parked':
        case 'expired':
          lanes.delete(event.lane)
          return
        case 'unknown':
        case 'retried':
          // The end of this command is no reason of the server's.
          if (event.failure.code === 'ERR_OUTBOX_STOPPED') return
          // Those behind the one that is stuck were only not asked about.
          if (!lanes.has(event.lane) || !isUnasked(event.failure)) lanes.set(event.lane, event.failure)
          return
        default:
      }
    },
    gateIsClosed: () => gates.size > 0,
    worst() {
      const closed = [...gates.values()]
      const gate =
        closed.find(({ failure }) => exitCodeFor(failure?.code) === exitCodes.credentials) ??
        closed.find(({ needsPerson }) => needsPerson === true) ??
        closed[0]
      if (gate?.failure !== undefined) return gate.failure
      const stuck = [...lanes.values()]
      return stuck.find((failure) => !isUnasked(failure)) ?? stuck[0]
    },
  }
}

function isUnasked({ code }: Failure): boolean {
  return code === 'ERR_NO_OUTCOME'
}
