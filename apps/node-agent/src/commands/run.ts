import pino, { type Logger } from 'pino'
import type { DataQueue } from '@fhir-outbox/data-queue'
import type { Settings } from '../config/load.js'
import { dropFolderOf, watchDropFolder } from '../drop-folder.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { makeDirectory } from '../make-directory.js'
import { describeError, report, type Console } from '../output/console.js'
import { takingInto } from '../queue/dropped.js'
import { openQueue } from '../queue/open.js'

/** Delivers until it is told to stop. Logs to standard error; results as JSON lines with `--json`. */
export async function run(settings: Settings, console: Console, signal: AbortSignal): Promise<ExitCode> {
  const log = pino({ name: 'fhir-outbox', base: null }, console.err)
  const queue = await openQueue(settings)
  const narrator = narrate(queue, console, log)
  const unsubscribe = queue.subscribe(narrator.listener)
  try {
    await deliverUntil(signal, queue, settings, console, log)
  } finally {
    await queue.stop()
    unsubscribe()
    await narrator.finished()
    await queue.close()
  }
  report(console, 'stopped', {}, 'Stopped; what waits is kept.')
  return exitCodes.ok
}

async function deliverUntil(
  signal: AbortSignal,
  queue: DataQueue,
  settings: Settings,
  console: Console,
  log: Logger,
): Promise<void> {
  const stats = await queue.stats()
  const drop = dropFolderOf(settings)
  // Whoever is told about it may use it at once.
  await makeDirectory(drop)
  report(
    console,
    'opened',
    { ...stats, drop },
    `Delivering to ${settings.server}; ${stats.waiting} waiting. Drop files into ${drop}. Ctrl-C stops.`,
  )
  let lastTrouble = ''
  const stopWatching = await watchDropFolder({
    ...takingInto(queue, settings, console),
    onRefused(name, error) {
      const { code, message } = describeError(error)
      log.error({ file: name, code }, 'file refused')
      report(console, 'file-refused', { file: name, code }, `${name} was refused: ${message}`)
    },
    onTrouble(name, error) {
      const { code } = describeError(error)
      // It is tried again every second, and must not fill the log.
      if (lastTrouble !== `${name} ${code}`) log.warn({ file: name, code }, 'file not taken yet')
      lastTrouble = `${name} ${code}`
    },
  })
  try {
    queue.start()
    await aborted(signal)
  } finally {
    await stopWatching()
  }
}

interface Narrator {
  readonly listener: Parameters<DataQueue['subscribe']>[0]
  /** Resolves when everything that happened has been told. */
  finished(): Promise<void>
}

/** Tells what happens, without content: sequences, codes and statuses. */
function narrate(queue: DataQueue, console: Console, log: Logger): Narrator {
  let telling = Promise.resolve()

  /** One after the other, so that lines keep the order of the events. */
  function tell(step: () => Promise<void>): void {
    telling = telling.then(step).catch((error: unknown) => {
      log.warn({ code: describeError(error).code }, 'cannot look into the queue')
    })
  }

  function listener(event: Parameters<Narrator['listener']>[0]): void {
    switch (event.type) {
      case 'delivered':
        log.info({ sequence: event.sequence, attempts: event.attempts }, 'delivered')
        if (console.json) tell(() => tellDelivery(queue, console, event.sequence))
        return
      case 'rejected':
      case 'parked':
      case 'unknown':
      case 'retried': {
        const { code, status } = event.failure
        log.warn({ sequence: event.sequence, code, status }, event.type)
        if (console.json)
          tell(async () => report(console, event.type, { sequence: event.sequence, code, status }, ''))
        return
      }
      case 'gate-closed': {
        const { gate, failure, needsPerson, nextTrialInMs } = event.gate
        log.warn({ gate, code: failure?.code, status: failure?.status, needsPerson, nextTrialInMs }, 'closed')
        tell(() => tellClosed(queue, console, gate, failure?.code))
        return
      }
      case 'gate-opened':
        log.info({ gate: event.gate }, 'open again')
        tell(async () => report(console, 'open-again', { gate: event.gate }, `${event.gate} answers again.`))
        return
      case 'storage-failed':
      case 'transport-failed':
        log.error({ code: event.failure.code }, event.type)
        return
      default:
    }
  }

  return { listener, finished: () => telling }
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
