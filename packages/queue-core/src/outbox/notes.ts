import { decodeText, encodeJson, encodeText, toHex } from '../internal/bytes.js'
import { sha256 } from '../internal/sha256.js'
import type { LeasedEntry } from '../storage-port.js'
import type { Failure, ReceiptBody } from '../transport-port.js'

/** What a delivery left. Hashes are lower-case hexadecimal SHA-256. */
export interface Receipt extends ReceiptBody {
  readonly v: 1
  readonly sequence: number
  readonly key: string
  /** ISO 8601, by this machine's clock. */
  readonly at: string
  /** Of the payload that was delivered. */
  readonly contentSha256: string
  /** Of the lane's previous receipt, so that one that is taken away is missed. */
  readonly previous?: string
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

function pastFailure(note: FailureNote): PastEvent {
  const { code, status } = note.failure
  return { at: note.at, what: note.outcome, code, ...(status === undefined ? {} : { status }) }
}

function pastDecision(note: DecisionNote): PastEvent {
  const { at, decision, actor, reason, corrected, replacedSha256 } = note
  return {
    at,
    what: decision,
    actor,
    reason,
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
  return encodeJson({
    v: 1,
    at,
    outcome,
    failure: trimmed(failure),
    history: historyAfter(previous),
  } satisfies FailureNote)
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

/** The final receipt and its hash, which the next receipt of the lane will name. */
export function buildReceipt(
  entry: Pick<LeasedEntry, 'sequence' | 'key'>,
  contentSha256: string,
  body: ReceiptBody,
  at: string,
  previous: Uint8Array | undefined,
): { readonly bytes: Uint8Array; readonly hash: Uint8Array } {
  const own = {
    v: 1,
    sequence: entry.sequence,
    key: entry.key,
    at,
    contentSha256,
    previous: previous === undefined ? undefined : toHex(previous),
  }
  const bytes = encodeText(joinObjects(body, own))
  return { bytes, hash: sha256(bytes) }
}

/** Both as one object in JSON. A transport adds to a receipt, it does not rewrite it: `own` comes last and counts. */
function joinObjects(added: object, own: object): string {
  if (Object.keys(own).some((name) => name in added)) return JSON.stringify({ ...added, ...own })
  // As text, which is many times cheaper than one object of both.
  const first = JSON.stringify(added)
  return first === '{}' ? JSON.stringify(own) : `${first.slice(0, -1)},${JSON.stringify(own).slice(1)}`
}
