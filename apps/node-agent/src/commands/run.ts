import { mkdir } from 'node:fs/promises'
import pino, { type Logger } from 'pino'
import type { DataQueue } from '@fhir-outbox/data-queue'
import { exitCodeFor } from '../agent-error.js'
import type { Settings } from '../config/load.js'
import { dropFolderOf, watchDropFolder } from '../drop-folder.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { acceptUnits, writesOf } from '../input/accept.js'
import { readUnits } from '../input/units.js'
import { describeError, report, type Console } from '../output/console.js'
import { openQueue } from '../queue/open.js'

/** Delivers until it is told to stop. Logs to standard error; results as JSON lines with `--json`. */
export async function run(settings: Settings, console: Console, signal: AbortSignal): Promise<ExitCode> {
  const log = pino({ name: 'fhir-outbox', base: null }, pino.destination({ dest: 2, sync: true }))
  await mkdir(settings.directory, { recursive: true, mode: 0o700 })
  const queue = await openQueue(settings)
  const unsubscribe = queue.subscribe(narrate(queue, console, log))
  const stats = await queue.stats()
  const drop = dropFolderOf(settings)
  report(
    console,
    'opened',
    { ...stats, drop },
    `Delivering to ${settings.server}; ${stats.waiting} waiting. Drop files into ${drop}. Ctrl-C stops.`,
  )
  const stopWatching = await watchDropFolder({
    folder: drop,
    isBadInput: (error) => exitCodeFor(describeError(error).code) === exitCodes.badInput,
    async accept(name, content) {
      const accepted = await acceptUnits(queue, writesOf(settings.server, readUnits(name, content)))
      const added = accepted.filter(({ duplicate }) => !duplicate).length
      report(
        console,
        'accepted',
        { file: name, accepted: added, known: accepted.length - added },
        `${name}: ${added} accepted${added === accepted.length ? '' : `, ${accepted.length - added} known from before`}`,
      )
    },
    onRefused: (name, error) => log.error({ file: name, code: describeError(error).code }, 'file refused'),
    onTrouble: (name, error) =>
      log.warn({ file: name, code: describeError(error).code }, 'file not taken yet'),
  })
  queue.start()
  try {
    await aborted(signal)
  } finally {
    await stopWatching()
    unsubscribe()
    await queue.close()
  }
  report(console, 'stopped', {}, 'Stopped; what waits is kept.')
  return exitCodes.ok
}

/** Tells what happens, without content: sequences, codes and statuses. */
function narrate(queue: DataQueue, console: Console, log: Logger): Parameters<DataQueue['subscribe']>[0] {
  return (event) => {
    switch (event.type) {
      case 'delivered':
        if (console.json) void tellDelivery(queue, console, event.sequence)
        log.info({ sequence: event.sequence, attempts: event.attempts }, 'delivered')
        return
      case 'rejected':
      case 'parked':
      case 'unknown':
      case 'retried': {
        const { code, status } = event.failure
        log.warn({ sequence: event.sequence, code, status }, event.type)
        if (console.json) report(console, event.type, { sequence: event.sequence, code, status }, '')
        return
      }
      case 'gate-closed': {
        const { gate, failure, needsPerson, nextTrialInMs } = event.gate
        log.warn({ gate, code: failure?.code, status: failure?.status, needsPerson, nextTrialInMs }, 'closed')
        void tellClosed(queue, console, gate, failure?.code)
        return
      }
      case 'gate-opened':
        log.info({ gate: event.gate }, 'open again')
        report(console, 'open-again', { gate: event.gate }, `${event.gate} answers again.`)
        return
      case 'storage-failed':
      case 'transport-failed':
        log.error({ code: event.failure.code }, event.type)
        return
      default:
    }
  }
}

async function tellDelivery(queue: DataQueue, console: Console, sequence: number): Promise<void> {
  const receipt = await queue.receipt(sequence)
  report(console, 'delivered', { sequence, ...(receipt === undefined ? {} : { receipt }) }, '')
}

async function tellClosed(
  queue: DataQueue,
  console: Console,
  gate: string,
  code: string | undefined,
): Promise<void> {
  const { waiting } = await queue.stats()
  report(
    console,
    'closed',
    { gate, code, waiting },
    `${gate} cannot be delivered to now (${code ?? 'unknown reason'}); ${waiting} waiting.`,
  )
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
