import { parseNote, type PastEvent } from '@fhir-outbox/queue-core'
import type { EntryView } from '../queue/view.js'

/** Why an entry is where it is, in words. */
export interface Explanation {
  readonly why: string
  readonly next: string
  /** What a person can do; absent when nothing is needed. */
  readonly person?: string
}

export interface Surroundings {
  /** The entry of the same lane that must go first, when there is one. */
  readonly before: number | undefined
  readonly gateClosed: boolean
  /** Why it is closed. */
  readonly gateCode?: string | undefined
}

function failureText(entry: EntryView): string {
  const note = parseNote(entry.note)
  if (note?.kind !== 'failure') return ''
  const { message, status, issues } = note.failure.failure
  const said = issues?.map(({ text }) => text).find((text) => text !== undefined)
  return said === undefined ? message : `Status ${status ?? 'unknown'}: “${said}”`
}

export function explain(entry: EntryView, { before, gateClosed, gateCode }: Surroundings): Explanation {
  switch (entry.state) {
    case 'delivered': {
      const assumed = assumedOf(entry)
      if (assumed !== undefined) {
        return {
          why: `It counts as delivered, because ${assumed.actor} said so: “${assumed.reason}”. Its content was deleted from this device; the receipt stays.`,
          next: 'Nothing. It is done.',
        }
      }
      return {
        why: 'The server has it. Its content was deleted from this device; the receipt stays.',
        next: 'Nothing. It is done.',
      }
    }
    case 'discarded':
      return {
        why: 'Somebody decided to give it up. The decision is recorded below.',
        next: 'Nothing. It is done.',
      }
    case 'quarantined':
      return {
        why: 'Its record in the browser’s storage is damaged and cannot be read. The bytes are kept.',
        next: 'It is not sent.',
        person: 'Measure again if you can.',
      }
    case 'dead':
      if (entry.deadReason === 'parked') {
        return {
          why: `It was sent, and nobody could find out whether the server has it. ${failureText(entry)}`.trim(),
          next: 'It is kept until you decide. The readings behind it go on.',
          person:
            'Look for it at the server. If it is there, say so; if not, send it again, or discard it and say why.',
        }
      }
      return {
        why: `The server refused it. ${failureText(entry)}`.trim(),
        next: 'It is kept until you decide. The readings behind it go on.',
        person: 'Send it again if the reason is gone, or discard it and say why.',
      }
    case 'sending':
      return { why: 'It is on its way right now.', next: 'The answer of the server decides.' }
    case 'unknown':
      return {
        why: `It was sent, and the answer was lost: the server may have it or not. ${failureText(entry)}`.trim(),
        next: 'The server is asked about it, or it is sent again where that cannot store it twice.',
      }
    case 'held':
      return {
        why: `It must come after no. ${entry.heldBy ?? '?'}, which was not delivered.`,
        next: 'It is held until that one is decided.',
        person: `Decide about no. ${entry.heldBy ?? '?'}.`,
      }
    case 'waiting':
      break
  }
  if (before !== undefined) {
    return {
      why: `No. ${before} goes first: the order is kept.`,
      next: 'It follows as soon as that one is settled.',
    }
  }
  if (gateClosed && gateCode === 'ERR_UNKNOWN_KEY') {
    return {
      why: 'The receiver does not know the key that readings are sealed for.',
      next: 'It is tried from time to time: the receiver may find its key again. What follows waits behind it.',
      person:
        'Have Settings get the key again, for what you measure from now on. If the receiver has lost the old one for ever, nobody can read this reading: withdraw it, and measure again if you can.',
    }
  }
  if (gateClosed) {
    return {
      why: 'The server takes nothing at the moment.',
      next: 'One reading tries the way from time to time; then all follow in order.',
    }
  }
  const failure = failureText(entry)
  return failure === ''
    ? { why: 'Nothing stands in its way.', next: 'It goes now.' }
    : { why: `The last try was not taken. ${failure}`, next: 'It is tried again.' }
}

/** Who said that it was delivered, where nobody else did. */
function assumedOf({
  note: bytes,
}: EntryView): { readonly actor: string; readonly reason: string } | undefined {
  const note = parseNote(bytes)
  return note?.kind === 'receipt' ? note.receipt.assumed : undefined
}

/** What happened to an entry so far, oldest first. */
export function historyOf(note: Uint8Array | undefined): readonly PastEvent[] {
  const parsed = parseNote(note)
  if (parsed === undefined || parsed.kind === 'receipt') return []
  if (parsed.kind === 'failure') {
    const { at, outcome, failure, history } = parsed.failure
    const { code, status } = failure
    return [...history, { at, what: outcome, code, ...(status === undefined ? {} : { status }) }]
  }
  const { at, decision, actor, reason, history } = parsed.decision
  return [...history, { at, what: decision, actor, reason }]
}

const eventNames: Readonly<Record<string, string>> = {
  rejected: 'Refused',
  parked: 'Given up: the outcome stayed unknown',
  expired: 'Expired',
  waiting: 'Not taken',
  unknown: 'No answer',
  redrive: 'Sent again',
  discard: 'Discarded',
  withdraw: 'Taken back',
  'assume-delivered': 'Taken for delivered',
}

export function eventText({ what, status, code, actor, reason }: PastEvent): string {
  const details = [
    status === undefined ? code : `status ${status}`,
    actor === undefined ? undefined : `by ${actor}`,
    reason,
  ].filter((part) => part !== undefined)
  const name = eventNames[what] ?? what
  return details.length === 0 ? name : `${name} (${details.join(', ')})`
}
