import { parseNote, type DecidedBy, type Outbox } from '@fhir-outbox/queue-core'
import { exitCodeFor } from '../agent-error.js'
import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { describeError, report, reportError, type Console } from '../output/console.js'
import { withOutbox } from '../queue/look.js'

/** What a person can decide about entries. */
export type Decision = 'redrive' | 'discard' | 'assume-delivered' | 'withdraw'

export interface DecideOptions extends DecidedBy {
  readonly sequences: readonly number[]
}

interface Way {
  readonly apply: (outbox: Outbox, sequence: number, by: DecidedBy) => Promise<void>
  readonly words: string
}

const ways: Readonly<Record<Decision, Way>> = {
  redrive: {
    apply: (outbox, sequence, by) => outbox.redrive(sequence, by),
    words: 'waits again; it goes with the next flush, send or run',
  },
  discard: { apply: (outbox, sequence, by) => outbox.discard(sequence, by), words: 'discarded' },
  'assume-delivered': {
    apply: (outbox, sequence, by) => outbox.assumeDelivered(sequence, by),
    words: 'counts as delivered',
  },
  withdraw: { apply: (outbox, sequence, by) => outbox.withdraw(sequence, by), words: 'withdrawn' },
}

/**
 * Decides about entries, one by one; who decided and why stays with each of them. One that fails does not keep the
 * rest from being tried, and one that was decided this way before counts as done: the same command can be repeated.
 * The exit code is that of the first failure.
 */
export async function decide(
  home: Home,
  decision: Decision,
  { sequences, actor, reason }: DecideOptions,
  console: Console,
): Promise<ExitCode> {
  const { apply, words } = ways[decision]
  return withOutbox(home, async (outbox) => {
    let code: ExitCode = exitCodes.ok
    for (const sequence of new Set(sequences)) {
      try {
        await apply(outbox, sequence, { actor, reason })
        report(console, 'decided', { sequence, decision, actor }, `${sequence} ${words}`)
      } catch (error) {
        const before = await decidedBefore(outbox, sequence, decision, error)
        if (before === undefined) {
          reportError(console, error, { sequence })
          if (code === exitCodes.ok) code = exitCodeFor(describeError(error).code)
          continue
        }
        report(
          console,
          'decided',
          { sequence, decision, actor: before, already: true },
          `${sequence} ${words}; so decided before, by ${before}`,
        )
      }
    }
    return code
  })
}

/** Who has decided the same about the entry before; `undefined` when that is not why it was refused. */
async function decidedBefore(
  outbox: Outbox,
  sequence: number,
  decision: Decision,
  error: unknown,
): Promise<string | undefined> {
  if (describeError(error).code !== 'ERR_WRONG_STATE') return undefined
  const { state, note: bytes } = (await outbox.read(sequence)) ?? {}
  const note = parseNote(bytes)
  if (note?.kind === 'receipt')
    return decision === 'assume-delivered' ? note.receipt.assumed?.actor : undefined
  const settled = state !== 'waiting' && state !== 'unknown'
  if (settled === (decision === 'redrive')) return undefined
  if (note?.kind === 'decision') return note.decision.decision === decision ? note.decision.actor : undefined
  // Sent again since, and not yet settled.
  return note?.failure.history.findLast(({ what }) => what === decision)?.actor
}
