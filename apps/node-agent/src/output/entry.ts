import { parseNote, type EntrySummary, type PastEvent } from '@fhir-outbox/queue-core'

/** Method and path of an entry, from its stored header; what cannot be read is shown as such. */
export function describeWrite(header: Uint8Array): { readonly method: string; readonly path: string } {
  try {
    const { method, path } = JSON.parse(new TextDecoder().decode(header)) as {
      method?: unknown
      path?: unknown
    }
    return { method: String(method), path: `/${String(path)}` }
  } catch {
    return { method: '?', path: '?' }
  }
}

/** The plan under which an entry is repeated, when its header tells. */
export function planOf(header: Uint8Array): string | undefined {
  try {
    const { plan } = JSON.parse(new TextDecoder().decode(header)) as { plan?: unknown }
    return typeof plan === 'string' ? plan : undefined
  } catch {
    return undefined
  }
}

/** What is known of an entry, without its content, for `--json`. */
export function entryFacts(entry: EntrySummary): Record<string, unknown> {
  const { sequence, key, state, deadReason, lane, gate, attempts, ageMs, dueInMs, payloadBytes, heldBy } =
    entry
  const note = parseNote(entry.note)
  return {
    sequence,
    key,
    state,
    ...(deadReason === undefined ? {} : { deadReason }),
    lane,
    gate,
    ...describeWrite(entry.header),
    attempts,
    ageMs,
    ...(dueInMs === undefined ? {} : { dueInMs }),
    payloadBytes,
    ...(heldBy === undefined ? {} : { heldBy }),
    ...(note === undefined ? {} : { note: note.kind === 'failure' ? note.failure : note }),
  }
}

/** A duration a person can take in. */
export function age(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** What happened to an entry so far, a line each, oldest first. */
export function historyLines(entry: EntrySummary): readonly string[] {
  const note = parseNote(entry.note)
  if (note === undefined || note.kind === 'receipt') return []
  const { history, at } = note.kind === 'failure' ? note.failure : note.decision
  const last =
    note.kind === 'failure'
      ? { at, what: note.failure.outcome, ...note.failure.failure }
      : { at, what: note.decision.decision, actor: note.decision.actor, reason: note.decision.reason }
  return [...history, last].map(historyLine)
}

function historyLine(event: PastEvent): string {
  const { at, what, code, status, actor, reason } = event
  const why = [
    code,
    status === undefined ? undefined : `status ${status}`,
    actor === undefined ? undefined : `by ${actor}`,
    reason,
  ]
  return `${at}  ${what}  ${why.filter((part) => part !== undefined).join(', ')}`
}
