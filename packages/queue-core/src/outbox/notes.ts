import { decodeText, encodeJson, encodeText } from '../internal/bytes.js'
import { sha256HexAtOnce } from '../internal/sha256.js'
import type { LeasedEntry } from '../storage-port.js'
import type { Failure, ReceiptBody } from '../transport-port.js'
import { storageLimits } from '../validate.js'

/** What a delivery left. Hashes are lower-case hexadecimal SHA-256. */
export interface Receipt extends ReceiptBody {
  readonly v: 1
  readonly sequence: number
  readonly key: string
  /** ISO 8601, by this machine's clock. */
  readonly at: string
  /** Of the payload that was delivered. Empty when it was assumed of an entry whose payload could not be read. */
  readonly contentSha256: string
  /** Of the lane's previous receipt, so that one that is taken away is missed. */
  readonly previous?: string
  /** What the transport added did not fit into a note and is missing, but for status, id and version. */
  readonly shortened?: true
  /** Set when somebody said that it was delivered, and no answer of a server did. */
  readonly assumed?: { readonly actor: string; readonly reason: string }
}

/** One line of an entry's history. */
export interface PastEvent {
  readonly at: string
  readonly what: string
  readonly code?: string
  readonly status?: number
  readonly actor?: string
  readonly reason?: string
  readonly corrected?: true
  readonly replacedSha256?: string
}

/** Why an entry is dead, or what its last attempt met. */
export interface FailureNote {
  readonly v: 1
  readonly at: string
  readonly outcome: 'rejected' | 'parked' | 'expired' | 'waiting' | 'unknown'
  readonly failure: Failure
  /** What came before, oldest first; only the latest are kept. */
  readonly history: readonly PastEvent[]
}

/** What somebody decided. */
export interface DecisionNote {
  readonly v: 1
  readonly at: string
  readonly decision: 'redrive' | 'discard' | 'withdraw'
  readonly actor: string
  readonly reason: string
  /** A redrive brought new content or a new header. */
  readonly corrected?: true
  /** Of the payload that the correction took the place of. */
  readonly replacedSha256?: string
  readonly history: readonly PastEvent[]
}

/** What the note of an entry says. */
export type Note =
  | { readonly kind: 'receipt'; readonly receipt: Receipt }
  | { readonly kind: 'failure'; readonly failure: FailureNote }
  | { readonly kind: 'decision'; readonly decision: DecisionNote }

const historyLength = 20
const issueCount = 20
const textLength = 1000

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Reads a note that an outbox wrote; `undefined` for anything else. Never throws. */
export function parseNote(bytes: Uint8Array | undefined): Note | undefined {
  if (bytes === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(decodeText(bytes))
  } catch {
    return undefined
  }
  if (!isRecord(value) || value['v'] !== 1 || typeof value['at'] !== 'string') return undefined
  if (isReceipt(value)) return { kind: 'receipt', receipt: value }
  if (isFailureNote(value)) return { kind: 'failure', failure: value }
  if (isDecisionNote(value)) return { kind: 'decision', decision: value }
  return undefined
}

function isReceipt(value: Record<string, unknown>): value is Record<string, unknown> & Receipt {
  return (
    typeof value['contentSha256'] === 'string' &&
    typeof value['sequence'] === 'number' &&
    typeof value['key'] === 'string'
  )
}

function isFailureNote(value: Record<string, unknown>): value is Record<string, unknown> & FailureNote {
  const failure = value['failure']
  return (
    typeof value['outcome'] === 'string' &&
    Array.isArray(value['history']) &&
    isRecord(failure) &&
    typeof failure['code'] === 'string'
  )
}

function isDecisionNote(value: Record<string, unknown>): value is Record<string, unknown> & DecisionNote {
  return (
    typeof value['decision'] === 'string' &&
    typeof value['actor'] === 'string' &&
    Array.isArray(value['history'])
  )
}

/** What a note becomes when the next one takes its place. */
function historyAfter(previous: Uint8Array | undefined): readonly PastEvent[] {
  const note = parseNote(previous)
  if (note === undefined || note.kind === 'receipt') return []
  const last = note.kind === 'failure' ? pastFailure(note.failure) : pastDecision(note.decision)
  const { history } = note.kind === 'failure' ? note.failure : note.decision
  return [...history, last].slice(-historyLength)
}

/** How often an attempt has ended without a word on whether it was applied, as far as the note remembers. */
export function unknownTries(bytes: Uint8Array | undefined): number {
  return historyAfter(bytes).filter(({ what }) => what === 'unknown').length
}

function pastFailure(note: FailureNote): PastEvent {
  const { code, status } = note.failure
  return { at: note.at, what: note.outcome, code, ...(status === undefined ? {} : { status }) }
}

function pastDecision(note: DecisionNote): PastEvent {
  const { at, decision, actor, reason, corrected, replacedSha256 } = note
  return {
    at,
    what: decision,
    // Whole in the note of its own; a history of long stories would outgrow what a note may hold.
    actor: actor.slice(0, textLength),
    reason: reason.slice(0, textLength),
    ...(corrected === undefined ? {} : { corrected }),
    ...(replacedSha256 === undefined ? {} : { replacedSha256 }),
  }
}

/** A server may answer with more issues than anybody reads; a note has a limit. */
function trimmed(failure: Failure): Failure {
  const { code, message, status, issues } = failure
  return {
    code,
    message: message.slice(0, textLength),
    ...(status === undefined ? {} : { status }),
    ...(issues === undefined
      ? {}
      : {
          issues: issues.slice(0, issueCount).map((issue) => ({
            code: issue.code.slice(0, textLength),
            ...(issue.text === undefined ? {} : { text: issue.text.slice(0, textLength) }),
            ...(issue.path === undefined ? {} : { path: issue.path.slice(0, textLength) }),
          })),
        }),
  }
}

export function failureNote(
  outcome: FailureNote['outcome'],
  failure: Failure,
  at: string,
  previous: Uint8Array | undefined,
): Uint8Array {
  const note = { v: 1, at, outcome, failure: trimmed(failure), history: historyAfter(previous) } as const
  const whole = encodeJson(note satisfies FailureNote)
  if (whole.length <= storageLimits.noteBytes) return whole
  // Letters that take six bytes each. The entry would come back for ever if no storage took its note.
  const { issues: _issues, ...bare } = note.failure
  const shorter = encodeJson({ ...note, failure: bare } satisfies FailureNote)
  if (shorter.length <= storageLimits.noteBytes) return shorter
  return encodeJson({ ...note, failure: bare, history: [] } satisfies FailureNote)
}

export function decisionNote(
  decision: DecisionNote['decision'],
  by: {
    readonly actor: string
    readonly reason: string
    readonly corrected?: boolean
    readonly replacedSha256?: string
  },
  at: string,
  previous: Uint8Array | undefined,
): Uint8Array {
  return encodeJson({
    v: 1,
    at,
    decision,
    actor: by.actor,
    reason: by.reason,
    ...(by.corrected === true ? { corrected: true } : {}),
    ...(by.replacedSha256 === undefined ? {} : { replacedSha256: by.replacedSha256 }),
    history: historyAfter(previous),
  } satisfies DecisionNote)
}

/** What of a receipt is not the transport's to say. */
const ownMembers = ['v', 'sequence', 'key', 'at', 'contentSha256', 'previous'] as const

/** The final receipt and its hash, which the next receipt of the lane will name. Hashes are in hexadecimal. */
export function buildReceipt(
  { sequence, key }: Pick<LeasedEntry, 'sequence' | 'key'>,
  contentSha256: string,
  body: ReceiptBody,
  at: string,
  previous: string | undefined,
): { readonly bytes: Uint8Array; readonly hash: string } {
  const own = `"v":1,"sequence":${sequence},"key":${JSON.stringify(key)},"at":"${at}","contentSha256":"${contentSha256}"`
  const last = previous === undefined ? '' : `,"previous":"${previous}"`

  /** Put together as text, in half the time that one object of both would take. */
  function receiptWith(added: ReceiptBody): Uint8Array {
    // A transport adds to a receipt, it does not rewrite it.
    const others = ownMembers.some((name) => name in added) ? withoutOwn(added) : added
    const first = JSON.stringify(others).slice(0, -1)
    return encodeText(`${first}${first === '{' ? '' : ','}${own}${last}}`)
  }

  const whole = receiptWith(body)
  // The delivery would be asked about for ever if no storage took its receipt.
  const bytes = whole.length > storageLimits.noteBytes ? receiptWith(shortened(body)) : whole
  return { bytes, hash: sha256HexAtOnce(bytes) }
}

function shortened({ status, id, version }: ReceiptBody): ReceiptBody {
  return {
    ...(status === undefined ? {} : { status }),
    ...(id === undefined ? {} : { id: id.slice(0, textLength) }),
    ...(version === undefined ? {} : { version: version.slice(0, textLength) }),
    shortened: true,
  }
}

function withoutOwn(body: ReceiptBody): object {
  const names: readonly string[] = ownMembers
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)))
}
