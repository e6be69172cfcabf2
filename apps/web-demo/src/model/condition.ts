import type { GateNews } from '../queue/gate-news.js'

/** How things stand with the server, for the bar at the top. */
export interface Condition {
  readonly kind: 'clear' | 'offline' | 'unreachable' | 'unanswered' | 'throttled' | 'sign-in' | 'settings'
  /** A few words. */
  readonly title: string
  /** What that means, in one sentence. */
  readonly meaning: string
}

export interface Circumstances {
  /** What the browser says of its network; `true` where the server needs none. */
  readonly online: boolean
  readonly gate: GateNews
  /** The last request of the first entry got no answer. */
  readonly headUnknown: boolean
  readonly open: number
  /** Whether the queue has been read; before, nothing can be said about it. */
  readonly known: boolean
}

const signInCodes: readonly (string | undefined)[] = ['ERR_LOGIN_REQUIRED', 'ERR_UNAUTHORIZED']

/** The one thing worth saying. What the browser and the queue know goes before what they hope. */
export function conditionOf({ online, gate, headUnknown, open, known }: Circumstances): Condition {
  if (!online) {
    return {
      kind: 'offline',
      title: 'Offline',
      meaning: 'New readings are stored here until there is a network.',
    }
  }
  if (gate.closed) return closedGate(gate)
  if (headUnknown) {
    return {
      kind: 'unanswered',
      title: 'No answer',
      meaning: 'A request left and nothing came back. It is repeated in a way that cannot store it twice.',
    }
  }
  if (!known) return { kind: 'clear', title: 'Looking', meaning: 'Reading what waits on this device.' }
  return open === 0
    ? { kind: 'clear', title: 'All delivered', meaning: 'Nothing waits on this device.' }
    : { kind: 'clear', title: 'Online', meaning: 'Readings are on their way.' }
}

function closedGate({ code, status, needsPerson }: GateNews): Condition {
  if (signInCodes.includes(code)) {
    return {
      kind: 'sign-in',
      title: 'Waiting for sign-in',
      meaning: 'The server wants to know who sends. Nothing is lost meanwhile.',
    }
  }
  if (code === 'ERR_UNKNOWN_KEY') {
    return {
      kind: 'settings',
      title: 'Needs attention',
      meaning:
        'The receiver does not know the key that readings are sealed for. They wait. Get its key again in Settings; what only the lost key opens can be withdrawn in the Outbox.',
    }
  }
  if (status === 429 || status === 503) {
    return {
      kind: 'throttled',
      title: 'Throttled',
      meaning: 'The server asked for a pause. Readings wait, and lose nothing by it.',
    }
  }
  if (needsPerson === true) {
    return {
      kind: 'settings',
      title: 'Needs attention',
      meaning: 'What answers at this address does not behave like a FHIR server. Readings wait.',
    }
  }
  return {
    kind: 'unreachable',
    title: 'Server unreachable',
    meaning: 'Readings are stored here and go as soon as it answers again.',
  }
}
