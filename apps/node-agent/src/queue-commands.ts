import { userInfo } from 'node:os'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { EntryState } from '@fhir-outbox/queue-core'
import { listDeadLetters } from './commands/dead-letters.js'
import { decide, type Decision } from './commands/decide.js'
import { explain } from './commands/explain.js'
import { fsck } from './commands/fsck.js'
import { list } from './commands/list.js'
import { receipts } from './commands/receipts.js'
import { show } from './commands/show.js'
import { status } from './commands/status.js'
import type { Home } from './config/load.js'
import type { ExitCode } from './exit-codes.js'
import type { Console } from './output/console.js'

const entryStates = [
  'waiting',
  'unknown',
  'dead',
  'delivered',
  'discarded',
  'quarantined',
] satisfies EntryState[]

/** How the commands of the queue are made and run; the rest of the command line provides it. */
export interface QueueCommandTools<Flags> {
  /** Adds the flags that say which queue. */
  readonly withHome: (command: Command) => Command
  readonly wholeNumber: (text: string) => number
  /** Finds the queue and runs the work on it. */
  readonly onHome: (flags: Flags, work: (home: Home, console: Console) => Promise<ExitCode>) => Promise<void>
}

/** Adds the commands that look at the queue or decide about entries; none of them needs a server. */
export function addQueueCommands<Flags>(root: Command, tools: QueueCommandTools<Flags>): void {
  const { withHome, wholeNumber, onHome } = tools

  withHome(root.command('status'))
    .description('How much waits, was delivered, or needs a decision.')
    .action((flags: Flags) => onHome(flags, status))

  withHome(root.command('fsck'))
    .description(
      'Read every record of the queue and say what is damaged. Changes nothing; works beside a running agent.',
    )
    .action((flags: Flags) => onHome(flags, fsck))

  withHome(root.command('list'))
    .description('The entries of the queue, oldest first.')
    .addOption(new Option('--state <state>', 'only these').choices(entryStates))
    .option('--limit <n>', 'at most so many', wholeNumber, 100)
    .action(({ state, limit, ...flags }: Flags & { state?: EntryState; limit: number }) =>
      onHome(flags as Flags, (home, console) =>
        list(home, { limit, ...(state === undefined ? {} : { state }) }, console),
      ),
    )

  withHome(root.command('show'))
    .description('Everything about one entry; never its content, unless asked.')
    .argument('<sequence>', 'number of the entry', sequenceNumber)
    .option('--content', 'print the content too: it is health data')
    .action((sequence: number, { content, ...flags }: Flags & { content?: boolean }) =>
      onHome(flags as Flags, (home, console) => show(home, { sequence, content: content === true }, console)),
    )

  withHome(root.command('explain'))
    .description('Why an entry waits, what was tried, what comes next, what you can do.')
    .argument('<sequence>', 'number of the entry', sequenceNumber)
    .action((sequence: number, flags: Flags) =>
      onHome(flags, (home, console) => explain(home, { sequence }, console)),
    )

  withHome(root.command('receipts'))
    .description('What deliveries left: where, when, and the hash of what was delivered.')
    .option('--limit <n>', 'at most so many', wholeNumber, 100)
    .action(({ limit, ...flags }: Flags & { limit: number }) =>
      onHome(flags as Flags, (home, console) => receipts(home, { limit }, console)),
    )

  const deadLetters = root
    .command('dead-letters')
    .description('Entries that the server refused, or whose outcome nobody could find out.')
  withHome(deadLetters.command('list', { isDefault: true }))
    .description('The dead letters, with what the server said.')
    .option('--limit <n>', 'at most so many', wholeNumber, 100)
    .action(({ limit, ...flags }: Flags & { limit: number }) =>
      onHome(flags as Flags, (home, console) => listDeadLetters(home, { limit }, console)),
    )
  const addDecision = (parent: Command, decision: Decision, description: string): void => {
    withHome(parent.command(decision))
      .description(description)
      .argument('<sequences...>', 'numbers of the entries', (text: string, before: number[] = []) => [
        ...before,
        sequenceNumber(text),
      ])
      .requiredOption('--reason <text>', 'why; kept with the entry')
      .option('--actor <name>', 'who decides; default: the user of this process')
      .action(
        (sequences: number[], { reason, actor, ...flags }: Flags & { reason: string; actor?: string }) =>
          onHome(flags as Flags, (home, console) =>
            decide(home, decision, { sequences, reason, actor: actor ?? userInfo().username }, console),
          ),
      )
  }
  addDecision(deadLetters, 'redrive', 'Send dead letters again, each with its key.')
  addDecision(
    deadLetters,
    'discard',
    'Give dead letters up. Their content is removed; the record of the decision stays.',
  )
  addDecision(
    deadLetters,
    'assume-delivered',
    'Take dead letters for delivered, because you have seen them at the server.',
  )
  addDecision(
    root,
    'withdraw',
    'Take back entries that wait, because the server will never take them. The record of the decision stays.',
  )
}

function sequenceNumber(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new InvalidArgumentError('Give the number of an entry.')
  }
  return Number(text)
}
