import { parseNote } from '@fhir-outbox/queue-core'
import type { GateNews } from '../queue/gate-news.js'
import type { EntryView } from '../queue/view.js'

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
  /** Why what must go first does not go, although its server answers. */
  readonly headStuck?: 'put-off' | 'unsupported' | 'held' | undefined
  readonly open: number
  /** Readings that wait for a decision. */
  readonly dead: number
  /** Whether the queue has been read; before, nothing can be said about it. */
  readonly known: boolean
}

/** Whether one of the entries that must go first is stuck by itself, and how. */
export function stuckHead(heads: readonly EntryView[]): Circumstances['headStuck'] {
  for (const { state, note: bytes } of heads) {
    if (state === 'held') return 'held'
    const note = state === 'waiting' ? parseNote(bytes) : undefined
    if (note?.kind === 'failure')
      return note.failure.failure.code === 'ERR_UNSUPPORTED' ? 'unsupported' : 'put-off'
  }
  return undefined
}

const signInCodes: readonly (string | undefined)[] = ['ERR_LOGIN_REQUIRED', 'ERR_UNAUTHORIZED']

/** The one thing worth saying. What the browser and the queue know goes before what they hope. */
export function conditionOf(circumstances: Circumstances): Condition {
  const { online, gate, headUnknown, headStuck, open, dead, known } = circumstances
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
      meaning:
        'A request left and nothing came back. The server is asked about it, or it is repeated where that cannot store it twice.',
    }
  }
  if (!known) return { kind: 'clear', title: 'Looking', meaning: 'Reading what waits on this device.' }
  if (open > 0) {
    return headStuck === undefined
      ? { kind: 'clear', title: 'Online', meaning: 'Readings are on their way.' }
      : stuck[headStuck]
  }
  return dead === 0
    ? { kind: 'clear', title: 'All delivered', meaning: 'Nothing waits on this device.' }
    : {
        kind: 'clear',
        title: 'Nothing waits',
        meaning: 'What did not arrive waits for your decision in the Outbox.',
      }
}

const stuck: Readonly<Record<NonNullable<Circumstances['headStuck']>, Condition>> = {
  'put-off': {
    kind: 'unanswered',
    title: 'Not taken',
    meaning: 'The last try was not taken, and is repeated. What follows keeps its order.',
  },
  unsupported: {
    kind: 'settings',
    title: 'Needs attention',
    meaning: 'The server says that it does not take such readings. They wait; the Outbox says more.',
  },
  held: {
    kind: 'settings',
    title: 'Needs attention',
    meaning:
      'What waits must come after a reading that was not delivered. Decide about that one in the Outbox.',
  },
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
  if (status === 429) {
    return {
      kind: 'throttled',
      title: 'Throttled',
      meaning: 'The server asked for a pause. Readings wait, and lose nothing by it.',
    }
  }
  if (status === 503) {
    return {
      kind: 'unreachable',
      title: 'Server busy',
      meaning: 'It answers that it can take nothing now. Readings wait, and lose nothing by it.',
    }
  }
  if (needsPerson === true) {
    return {
      kind: 'settings',
      title: 'Needs attention',
      meaning: 'What answers at this address does not behave like a FHIR server. Readings wait.',
    }
  }
  if (status !== undefined) {
    return {
      kind: 'unreachable',
      title: 'Server out of order',
      meaning: `It answers whatever it is sent with an error (status ${status}). Readings are stored here and go when it works again.`,
    }
  }
  return {
    kind: 'unreachable',
    title: 'Server unreachable',
    meaning: 'Readings are stored here and go as soon as it answers again.',
  }
}
