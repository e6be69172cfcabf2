import type { DecidedBy, Outbox } from '@fhir-outbox/queue-core'
import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { report, type Console } from '../output/console.js'
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

/** Decides about entries, one by one; who decided and why stays with each of them. */
export async function decide(
  home: Home,
  decision: Decision,
  { sequences, actor, reason }: DecideOptions,
  console: Console,
): Promise<ExitCode> {
  const { apply, words } = ways[decision]
  return withOutbox(home, async (outbox) => {
    for (const sequence of sequences) {
      await apply(outbox, sequence, { actor, reason })
      report(console, 'decided', { sequence, decision, actor }, `${sequence} ${words}`)
    }
    return exitCodes.ok
  })
}
